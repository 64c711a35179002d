-- The outbox: how far each channel (Kafka, webhooks) has carried each mission's events. The events themselves are the
-- mail; a row here is a cursor, moved per mission by seq, and a row behind its mission is the backlog.
-- depends: 0009_metrics
drop table colony_outbox;
alter table colony_missions drop column relayed_seq;

-- Written when a deployment first uses a channel. While there is none, marking costs a look into an empty table.
create table colony_outbox_channels (
  channel text primary key,
  from_start boolean not null,
  filled boolean not null default false,
  opened_at timestamptz not null default now()
);

-- No fence: the service can't write here. The functions below can, and a cursor is no part of a mission.
create table colony_outbox (
  channel text not null,
  mission_id text not null references colony_missions on delete cascade,
  tenant_id text not null,
  seq bigint not null,
  relayed_seq bigint not null check (relayed_seq <= seq),
  behind_since timestamptz not null default clock_timestamp(),
  due_at timestamptz not null default clock_timestamp(),
  relay_id text,
  attempts int not null default 0,
  primary key (channel, mission_id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create index colony_outbox_behind on colony_outbox (channel, due_at) where relayed_seq < seq;

create table colony_dead_letters (
  channel text not null,
  mission_id text not null references colony_missions on delete cascade,
  seq bigint not null,
  tenant_id text not null,
  event_id text not null,
  event_type text not null,
  attempts int not null,
  reason text not null,
  created_at timestamptz not null default now(),
  primary key (channel, mission_id, seq)
);

do $$
declare
  t text;
begin
  foreach t in array array['colony_outbox', 'colony_dead_letters'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy system on %I to colony_system using (true) with check (true)', t);
    execute format('grant select on %I to colony_app', t);
    execute format('grant select, insert, update, delete on %I to colony_system', t);
  end loop;
end $$;
grant select, insert, update, delete on colony_outbox_channels to colony_system;

-- In the transaction that takes the seq: whoever sees the mark sees the events, and the other way round.
create function colony_mark_outbox() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into colony_outbox as o (channel, mission_id, tenant_id, seq, relayed_seq)
  select c.channel, new.mission_id, new.tenant_id, new.seq, case when c.from_start then 0 else old.seq end
  from colony_outbox_channels c order by c.channel
  on conflict (channel, mission_id) do update
  set seq = excluded.seq,
      behind_since = case when o.relayed_seq = o.seq then excluded.behind_since else o.behind_since end,
      due_at = case when o.relayed_seq = o.seq then excluded.due_at else o.due_at end;
  return null;
end $$;

-- True when the outbox of the channel has been filled before.
create function colony_open_channel(called text, at_start boolean) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  insert into colony_outbox_channels (channel, from_start) values (called, at_start) on conflict do nothing;
  select filled from colony_outbox_channels where channel = called
$$;

-- Marks missions from before the channel, some at a time; true when none is left. A channel that does not begin at the
-- start takes them as relayed.
create function colony_fill_channel(called text, horizon xid8, most int) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  put int;
begin
  if pg_snapshot_xmin(pg_current_snapshot()) < horizon then
    return false;
  end if;
  insert into colony_outbox (channel, mission_id, tenant_id, seq, relayed_seq)
  select c.channel, m.mission_id, m.tenant_id, m.seq, case when c.from_start then 0 else m.seq end
  from colony_outbox_channels c join colony_missions m on m.seq > 0
  where c.channel = called
    and not exists (select from colony_outbox o where o.channel = c.channel and o.mission_id = m.mission_id)
  limit most on conflict do nothing;
  get diagnostics put = row_count;
  if put < most then
    update colony_outbox_channels set filled = true where channel = called;
  end if;
  return put < most;
end $$;

-- Gives missions that are behind to one relay: nobody else gets them before the lease has lapsed or been settled.
create function colony_lease_outbox(called text, relay text, most int, lease_ms int)
returns table (mission_id text, tenant_id text, seq bigint, relayed_seq bigint, attempts int)
language sql security definer set search_path = public, pg_temp as $$
  with due as materialized (
    select o.mission_id from colony_outbox o
    where o.channel = called and o.relayed_seq < o.seq and o.due_at <= now()
    order by o.due_at limit most for update skip locked)
  update colony_outbox o set relay_id = relay, due_at = clock_timestamp() + lease_ms * interval '1 millisecond'
  from due where o.channel = called and o.mission_id = due.mission_id
  returning o.mission_id, o.tenant_id, o.seq, o.relayed_seq, o.attempts
$$;

-- Moves cursors on and gives the leases back; returns the missions that it could. What another relay has taken over is left
-- alone, and so is a mission that is being written at this moment: a writer that was stopped within its transaction must not
-- hold up everybody else's events.
create function colony_settle_outbox(called text, relay text, missions text[], upto bigint[], since timestamptz[],
  tried int[], delay_ms bigint[]) returns setof text
language sql security definer set search_path = public, pg_temp as $$
  with free as materialized (
    select o.mission_id from colony_outbox o
    where o.channel = called and o.mission_id = any(missions) and o.relay_id = relay
    order by o.mission_id for update skip locked)
  update colony_outbox o
  set relayed_seq = greatest(o.relayed_seq, least(o.seq, d.upto)), behind_since = coalesce(d.since, o.behind_since),
      attempts = d.tried, due_at = clock_timestamp() + d.delay_ms * interval '1 millisecond', relay_id = null
  from free join unnest(missions, upto, since, tried, delay_ms) as d(mission_id, upto, since, tried, delay_ms) using (mission_id)
  where o.channel = called and o.mission_id = free.mission_id
  returning o.mission_id
$$;

create function colony_bury_event(called text, relay text, mission text, at_seq bigint, event text, kind text, tried int,
  why text) returns void
language sql security definer set search_path = public, pg_temp as $$
  insert into colony_dead_letters (channel, mission_id, seq, tenant_id, event_id, event_type, attempts, reason)
  select called, mission, at_seq, o.tenant_id, event, kind, tried, why from colony_outbox o
  where o.channel = called and o.mission_id = mission and o.relay_id = relay
  on conflict (channel, mission_id, seq) do update
  set attempts = excluded.attempts, reason = excluded.reason, created_at = excluded.created_at
$$;

-- Sends dead letters again: the cursor goes back to before a mission's first, so what came after it is repeated in order.
create function colony_revive_outbox(called text, mission text) returns setof text
language sql security definer set search_path = public, pg_temp as $$
  with revived as (
    delete from colony_dead_letters d where d.channel = called and (mission is null or d.mission_id = mission)
    returning d.mission_id, d.seq
  ), firsts as (select r.mission_id, min(r.seq) as seq from revived r group by r.mission_id)
  update colony_outbox o
  set relayed_seq = least(o.relayed_seq, f.seq - 1), attempts = 0, due_at = clock_timestamp(), relay_id = null
  from firsts f where o.channel = called and o.mission_id = f.mission_id
  returning o.mission_id
$$;

create function colony_close_channel(called text) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  delete from colony_dead_letters where channel = called;
  delete from colony_outbox where channel = called;
  with gone as (delete from colony_outbox_channels where channel = called returning channel) select count(*) > 0 from gone
$$;

create function colony_backlog()
returns table (channel text, filled boolean, missions bigint, events bigint, oldest_ms bigint, retrying bigint, dead bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.channel, c.filled, count(o.mission_id), coalesce(sum(o.seq - o.relayed_seq), 0)::bigint,
    coalesce(extract(epoch from clock_timestamp() - min(o.behind_since)) * 1000, 0)::bigint,
    count(*) filter (where o.attempts > 0),
    (select count(*) from colony_dead_letters d where d.channel = c.channel)
  from colony_outbox_channels c left join colony_outbox o on o.channel = c.channel and o.relayed_seq < o.seq
  group by c.channel, c.filled order by c.channel
$$;

create function colony_dead_letters_of(most int)
returns table (channel text, mission_id text, tenant_id text, seq bigint, event_id text, event_type text, attempts int,
  reason text, created_at timestamptz)
language sql stable security definer set search_path = public, pg_temp as $$
  select d.channel, d.mission_id, d.tenant_id, d.seq, d.event_id, d.event_type, d.attempts, d.reason, d.created_at
  from colony_dead_letters d order by d.created_at desc limit most
$$;

create trigger outbox after update of seq on colony_missions for each row when (new.seq > old.seq)
  execute function colony_mark_outbox();

grant create on schema public to colony_system;
do $$
declare
  f regprocedure;
begin
  foreach f in array array['colony_mark_outbox()', 'colony_open_channel(text, boolean)',
    'colony_fill_channel(text, xid8, int)', 'colony_lease_outbox(text, text, int, int)',
    'colony_settle_outbox(text, text, text[], bigint[], timestamptz[], int[], bigint[])',
    'colony_bury_event(text, text, text, bigint, text, text, int, text)', 'colony_revive_outbox(text, text)',
    'colony_close_channel(text)', 'colony_backlog()', 'colony_dead_letters_of(int)']::regprocedure[]
  loop
    execute format('alter function %s owner to colony_system', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to colony_app', f);
  end loop;
end $$;

-- The store's gauges: as before, but for the outbox.
set local role colony_system;
create or replace function colony_metric_gauges() returns table (name text, labels jsonb, value double precision)
language sql stable security definer set search_path = public, pg_temp as $$
  with live as (
    select m.status, m.updated_at, l.mission_id is null or l.lease_until < clock_timestamp() as unheld
    from colony_missions m left join colony_leases l using (mission_id)
    where m.status in ('received', 'running', 'awaiting_approval')
  ), alone as (
    select count(*) as n, min(updated_at) as since from live where unheld and status <> 'awaiting_approval'
  ), pending as (
    select count(*) as n, min(created_at) as since from colony_approvals where status = 'pending'
  )
  select 'colony_missions', jsonb_build_object('status', s), (select count(*) from live where live.status = s)
    from unnest(array['received', 'running', 'awaiting_approval']) s
  union all select 'colony_missions_without_runner', '{}', n from alone
  union all select 'colony_missions_without_runner_age_seconds', '{}', coalesce(colony_seconds_since(since), 0) from alone
  union all select 'colony_leases_held', '{}', count(*) from colony_leases where lease_until >= clock_timestamp()
  union all select 'colony_queue_jobs', jsonb_build_object('status', s),
      (select count(*) from queue.procrastinate_jobs j where j.status::text = s) from unnest(array['todo', 'doing']) s
  union all select 'colony_approvals_pending', '{}', n from pending
  union all select 'colony_approvals_pending_age_seconds', '{}', coalesce(colony_seconds_since(since), 0) from pending
  union all select g.name, jsonb_build_object('channel', c), coalesce(g.value, 0)
    from unnest(array['kafka', 'webhook']) c left join colony_backlog() b on b.channel = c, lateral (values
      ('colony_relay_backlog_events', b.events), ('colony_relay_backlog_missions', b.missions),
      ('colony_relay_backlog_age_seconds', b.oldest_ms / 1000.0), ('colony_relay_retrying_missions', b.retrying),
      ('colony_relay_dead_letters', b.dead)) as g(name, value)
$$;
set local role colony_owner;
revoke create on schema public from colony_system;

-- Runs of developers' graphs that begin later or by a schedule, threads that are kept for a while only, assistants' versions.
-- depends: 0032_authority_ends
alter table colony_runs add column begins_at timestamptz not null default clock_timestamp();
create index on colony_frames (thread_id, run_id, seq);
create index on colony_memories (tenant_id, expires_at) where expires_at is not null;

-- How long a thread is kept after its last change, in minutes.
alter table colony_threads add column ttl_min float8;
create index colony_threads_kept on colony_threads (updated_at) where ttl_min is not null;
grant update (ttl_min) on colony_threads to colony_app;

create table colony_assistant_versions (
  assistant_id text not null references colony_assistants on delete cascade,
  version int not null,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  payload jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (assistant_id, version)
);

create table colony_crons (
  cron_id text primary key,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  thread_id text references colony_threads on delete cascade,
  graph_id text not null,
  assistant_id text not null,
  schedule text not null,
  timezone text,
  payload jsonb not null,
  metadata jsonb not null default '{}',
  enabled boolean not null default true,
  keep boolean not null default false,
  end_at timestamptz,
  next_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index on colony_crons (tenant_id, created_at desc);
create index colony_crons_due on colony_crons (next_at) where enabled;

do $$
declare
  t text;
begin
  foreach t in array array['colony_assistant_versions', 'colony_crons'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy backup on %I for select to colony_backup using (true)', t);
    execute format('grant select, insert on %I to colony_app', t);
    execute format('grant select on %I to colony_backup', t);
  end loop;
end $$;
grant delete on colony_crons, colony_assistant_versions to colony_app;
grant update (schedule, timezone, payload, metadata, enabled, keep, end_at, next_at, updated_at) on colony_crons to colony_app;
grant update (graph_id) on colony_assistants to colony_app;
create policy system on colony_crons for select to colony_system using (true);
grant select on colony_crons to colony_system;

grant create on schema public to colony_system;
set local role colony_system;
-- As before; not before a run's time has come, and nothing of a tenant that is halted.
create or replace function colony_claim_run(worker text, lease_ms int, graphs text[])
returns table (run_id text, thread_id text, tenant_id text, epoch bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found record;
begin
  select r.run_id, r.thread_id into found from colony_runs r join colony_threads t on t.thread_id = r.thread_id
  where r.graph_id = any(graphs)
    and (r.status = 'pending' and r.begins_at <= clock_timestamp() or r.status = 'running' and r.lease_until < clock_timestamp())
    and not exists (select from colony_runs o where o.thread_id = r.thread_id and o.number < r.number
                    and (o.status = 'running' or o.status = 'pending' and o.begins_at <= clock_timestamp()))
    and not exists (select from colony_runs o where o.thread_id = r.thread_id and o.status = 'running' and o.run_id <> r.run_id)
    and not colony_halted(r.tenant_id)
  order by r.number limit 1 for update of r, t skip locked;
  if found is null then
    return;
  end if;
  update colony_runs r set status = 'running', worker_id = worker, attempts = r.attempts + 1,
    lease_until = clock_timestamp() + lease_ms * interval '1 millisecond', updated_at = clock_timestamp()
  where r.run_id = found.run_id;
  return query update colony_threads t set epoch = t.epoch + 1 where t.thread_id = found.thread_id
    returning found.run_id, t.thread_id, t.tenant_id, t.epoch;
end $$;

-- Which schedules have come round: their ids and tenants.
create function colony_due_crons(graphs text[], most int) returns table (cron_id text, tenant_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.cron_id, c.tenant_id from colony_crons c
  where c.enabled and c.next_at <= clock_timestamp() and c.graph_id = any(graphs) and not colony_halted(c.tenant_id)
  order by c.next_at limit most
$$;

-- Which threads have been kept for as long as they were to be: their ids and tenants.
create function colony_unkept_threads(most int) returns table (thread_id text, tenant_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select t.thread_id, t.tenant_id from colony_threads t
  where t.ttl_min is not null and t.updated_at < clock_timestamp() - t.ttl_min * interval '1 minute'
    and not exists (select from colony_runs r where r.thread_id = t.thread_id and r.status in ('pending', 'running'))
    and not exists (select from colony_missions m where m.mission_id = t.thread_id)
  order by t.updated_at limit most
$$;

-- Undoes checkpoints of a thread of the caller's tenant, under the thread's epoch; of a mission, never.
create function colony_undo_checkpoints(named text, made text[]) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if exists (select from colony_missions m where m.mission_id = named)
     or not exists (select from colony_threads t where t.thread_id = named and t.tenant_id = colony_tenant()) then
    return false;
  end if;
  delete from checkpoint_writes where thread_id = named and checkpoint_id = any(made);
  delete from checkpoints where thread_id = named and checkpoint_id = any(made);
  return true;
end $$;
revoke all on function colony_due_crons(text[], int), colony_unkept_threads(int), colony_undo_checkpoints(text, text[])
  from public;
grant execute on function colony_due_crons(text[], int), colony_unkept_threads(int), colony_undo_checkpoints(text, text[])
  to colony_app;
set local role colony_owner;
revoke create on schema public from colony_system;

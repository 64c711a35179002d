-- What clients of the LangGraph SDK keep beside missions: threads without a mission yet, notes on threads, items of the
-- store, and, for developers, the runs of graphs that are not Colony's.
-- depends: 0015_secrets
create table colony_threads (
  thread_id text primary key,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  graph_id text,
  metadata jsonb not null default '{}',
  config jsonb not null default '{}',
  epoch bigint not null default 0,
  seq bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index on colony_threads (tenant_id, created_at desc, thread_id);

create table colony_assistants (
  assistant_id text primary key,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  graph_id text not null,
  payload jsonb not null,
  version int not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index on colony_assistants (tenant_id, created_at desc);

-- One run of a thread at a time: the oldest that has not ended.
create table colony_runs (
  run_id text primary key,
  number bigint generated always as identity,
  tenant_id text not null default colony_tenant(),
  thread_id text not null references colony_threads on delete cascade,
  actor_id text not null,
  graph_id text not null,
  assistant_id text not null,
  status text not null check (status in ('pending', 'running', 'error', 'success', 'timeout', 'interrupted')),
  attempts int not null default 0,
  worker_id text,
  lease_until timestamptz,
  payload jsonb not null,
  metadata jsonb not null default '{}',
  failure jsonb,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index on colony_runs (thread_id, number);
create index colony_runs_open on colony_runs (number) where status in ('pending', 'running');

-- What a run said, in the order it was said.
create table colony_frames (
  thread_id text not null references colony_threads on delete cascade,
  seq bigint not null,
  tenant_id text not null default colony_tenant(),
  run_id text not null,
  method text not null,
  namespace text[] not null default '{}',
  payload jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (thread_id, seq)
);

create table colony_memories (
  tenant_id text not null default colony_tenant(),
  namespace text[] not null,
  key text not null,
  actor_id text not null,
  payload jsonb not null,
  expires_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, namespace, key)
);

do $$
declare
  t text;
begin
  foreach t in array array['colony_threads', 'colony_assistants', 'colony_runs', 'colony_frames', 'colony_memories'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy backup on %I for select to colony_backup using (true)', t);
    execute format('grant select, insert on %I to colony_app', t);
  end loop;
end $$;
create policy system on colony_threads to colony_system using (true) with check (true);
create policy system on colony_runs to colony_system using (true) with check (true);
grant delete on colony_assistants, colony_runs, colony_memories to colony_app;
grant update (metadata, config, graph_id, epoch, seq, updated_at) on colony_threads to colony_app;
grant update (payload, version, updated_at) on colony_assistants to colony_app;
grant update (status, lease_until, failure, metadata, updated_at) on colony_runs to colony_app;
grant update (payload, actor_id, expires_at, updated_at) on colony_memories to colony_app;
grant select, update on colony_threads, colony_runs to colony_system;

-- A thread that is a mission is fenced by the mission's epoch, and another by its own: never both.
create or replace function colony_fence_thread() returns trigger language plpgsql as $$
declare
  held bigint;
  written record;
begin
  written := case when tg_op = 'DELETE' then old else new end;
  select t.epoch into held from colony_threads t
  where t.thread_id = written.thread_id and t.graph_id is not null
    and not exists (select from colony_missions m where m.mission_id = t.thread_id) for key share of t;
  if held is null then
    select m.epoch into held from colony_missions m where m.mission_id = written.thread_id for key share;
  end if;
  if held is null or held is distinct from colony_epoch() then
    raise exception 'stale epoch' using errcode = 'CO001';
  end if;
  return written;
end $$;
create trigger fence before insert or update on colony_frames for each row execute function colony_fence_thread();

-- Hands out the oldest open run of a thread that nobody runs, under a new epoch of the thread.
create function colony_claim_run(worker text, lease_ms int, graphs text[])
returns table (run_id text, thread_id text, tenant_id text, epoch bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found record;
begin
  select r.run_id, r.thread_id into found from colony_runs r join colony_threads t on t.thread_id = r.thread_id
  where r.graph_id = any(graphs)
    and (r.status = 'pending' or r.status = 'running' and r.lease_until < clock_timestamp())
    and not exists (select from colony_runs o where o.thread_id = r.thread_id and o.number < r.number
                    and o.status in ('pending', 'running'))
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

-- Forgets a thread of the caller's tenant, with its checkpoints, under its next epoch; false for one that is a mission.
create function colony_forget_thread(named text) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  raised bigint;
begin
  update colony_threads t set epoch = t.epoch + 1
  where t.thread_id = named and t.tenant_id = colony_tenant()
    and not exists (select from colony_missions m where m.mission_id = t.thread_id)
  returning t.epoch into raised;
  if raised is null then
    return false;
  end if;
  perform set_config('colony.epoch', raised::text, true);
  if (select graph_id is not null from colony_threads where thread_id = named) then
    delete from checkpoint_writes where thread_id = named;
    delete from checkpoint_blobs where thread_id = named;
    delete from checkpoints where thread_id = named;
  end if;
  delete from colony_threads where thread_id = named;
  return true;
end $$;
grant delete on colony_threads to colony_system;
grant select, delete on checkpoints, checkpoint_blobs, checkpoint_writes to colony_system;
do $$
declare
  t text;
begin
  foreach t in array array['checkpoints', 'checkpoint_blobs', 'checkpoint_writes'] loop
    execute format('create policy forget on %I for delete to colony_system using (tenant_id = (select colony_tenant()))', t);
    execute format('create policy forget_seen on %I for select to colony_system using (tenant_id = (select colony_tenant()))', t);
  end loop;
end $$;

grant create on schema public to colony_system;
do $$
declare
  f regprocedure;
begin
  foreach f in array array['colony_claim_run(text, int, text[])', 'colony_forget_thread(text)']::regprocedure[] loop
    execute format('alter function %s owner to colony_system', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to colony_app', f);
  end loop;
end $$;
revoke create on schema public from colony_system;

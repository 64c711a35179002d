-- Everything a mission leaves behind, fenced by epoch and forced under row-level security. Runs as colony_owner.

create function colony_tenant() returns text language sql stable parallel safe
as $$ select nullif(current_setting('colony.tenant', true), '') $$;

create function colony_epoch() returns bigint language sql stable parallel safe
as $$ select nullif(current_setting('colony.epoch', true), '')::bigint $$;

create table colony_status_moves (was text not null, "to" text not null, primary key (was, "to"));
insert into colony_status_moves values
  ('received', 'running'), ('received', 'cancelled'), ('received', 'failed'),
  ('running', 'awaiting_approval'), ('running', 'completed'), ('running', 'blocked'), ('running', 'rejected'),
  ('running', 'cancelled'), ('running', 'expired'), ('running', 'failed'),
  ('awaiting_approval', 'running'), ('awaiting_approval', 'cancelled'), ('awaiting_approval', 'expired'),
  ('awaiting_approval', 'failed'),
  ('expired', 'running'), ('failed', 'running');

create table colony_missions (
  mission_id text primary key,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  mission_type text not null,
  status text not null check (status in
    ('received', 'running', 'awaiting_approval', 'completed', 'blocked', 'rejected', 'cancelled', 'expired', 'failed')),
  stage text not null,
  payload jsonb not null,
  graph_version text not null,
  trace_id text not null,
  seq bigint not null default 0,
  head text not null default repeat('0', 64),
  relayed_seq bigint not null default 0,
  epoch bigint not null default 1,
  attempts int not null default 0,
  step_key text,
  step_update jsonb,
  parent_mission_id text,
  parent_checkpoint_id text,
  lineage_kind text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on colony_missions (tenant_id, created_at desc, mission_id desc);
create index on colony_missions (status) where status in ('received', 'running', 'awaiting_approval');

-- The mission row moves only along the table of moves, and only in the hands of its present epoch: a writer either holds
-- the epoch, or takes the mission over by raising it by one.
create function colony_guard_mission() returns trigger language plpgsql as $$
begin
  if new.mission_id <> old.mission_id or new.tenant_id <> old.tenant_id then
    raise exception 'a mission keeps its name and tenant' using errcode = 'CO002';
  end if;
  if new.status <> old.status
     and not exists (select from colony_status_moves m where m.was = old.status and m."to" = new.status) then
    raise exception 'illegal move from % to %', old.status, new.status using errcode = 'CO003';
  end if;
  if new.epoch = old.epoch and colony_epoch() is distinct from old.epoch or new.epoch not in (old.epoch, old.epoch + 1) then
    raise exception 'stale epoch' using errcode = 'CO001';
  end if;
  return new;
end $$;
create trigger guard before update on colony_missions for each row execute function colony_guard_mission();

-- Refuses any write for a mission by a connection that is not stamped with the mission's present epoch. KEY SHARE makes
-- a claim (FOR UPDATE) wait for writes under way; a missing mission or an empty stamp fails closed.
create function colony_fence_mission() returns trigger language plpgsql as $$
declare
  held bigint;
  written record;
begin
  written := case when tg_op = 'DELETE' then old else new end;
  select m.epoch into held from colony_missions m where m.mission_id = written.mission_id for key share;
  if held is null or held is distinct from colony_epoch() then
    raise exception 'stale epoch' using errcode = 'CO001';
  end if;
  return written;
end $$;

create function colony_fence_thread() returns trigger language plpgsql as $$
declare
  held bigint;
  written record;
begin
  written := case when tg_op = 'DELETE' then old else new end;
  select m.epoch into held from colony_missions m where m.mission_id = written.thread_id for key share;
  if held is null or held is distinct from colony_epoch() then
    raise exception 'stale epoch' using errcode = 'CO001';
  end if;
  return written;
end $$;

create table colony_leases (
  mission_id text primary key references colony_missions,
  tenant_id text not null default colony_tenant(),
  worker_id text not null,
  epoch bigint not null,
  lease_until timestamptz not null
);

create table colony_submissions (
  tenant_id text not null default colony_tenant(),
  idempotency_key text not null,
  request_sha256 text not null,
  mission_id text not null references colony_missions deferrable initially deferred,
  created_at timestamptz not null default now(),
  primary key (tenant_id, idempotency_key)
);

create table colony_events (
  mission_id text not null references colony_missions,
  seq bigint not null,
  tenant_id text not null default colony_tenant(),
  event_id text not null,
  event_type text not null,
  actor_id text not null,
  payload jsonb not null,
  content bytea not null,
  prev_hash text not null,
  hash text not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  primary key (mission_id, seq)
);

-- One shape for every artifact: canonical bytes with their hash, and the same as jsonb to query. Written once.
create table colony_plans (
  artifact_id text not null, mission_id text not null references colony_missions, revision int not null,
  tenant_id text not null default colony_tenant(), actor_id text not null, task_key text not null default '',
  status text not null, payload jsonb not null, content bytea not null, sha256 text not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
  primary key (mission_id, revision, artifact_id, task_key)
);
create table colony_tasks (like colony_plans including all);
create table colony_prompt_packages (like colony_plans including all);
create table colony_librarian_passes (like colony_plans including all, expires_at timestamptz not null);
create table colony_research_artifacts (like colony_plans including all);
create table colony_worker_results (like colony_plans including all);
create table colony_aggregation_packets (like colony_plans including all);
create table colony_review_packets (like colony_plans including all);
create table colony_policy_decisions (like colony_plans including all, layer text not null, outcome text not null);
create unique index on colony_worker_results (mission_id, revision, task_key);

create table colony_approvals (
  mission_id text not null references colony_missions,
  interrupt_id text not null,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  status text not null check (status in ('pending', 'decided', 'cancelled', 'expired')),
  payload jsonb not null,
  content bytea not null,
  sha256 text not null,
  decision jsonb,
  decision_content bytea,
  decided_by text,
  decided_at timestamptz,
  expires_at timestamptz not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (mission_id, interrupt_id)
);
create unique index colony_approvals_one_pending on colony_approvals (mission_id) where status = 'pending';

-- What a person let through, byte for byte. A writeback can't exist without its grant: the foreign key below is the gate.
create table colony_approval_grants (
  mission_id text not null,
  proposal_id text not null,
  payload_sha256 text not null,
  interrupt_id text not null,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  payload jsonb not null,
  content bytea not null,
  sha256 text not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  primary key (mission_id, proposal_id, payload_sha256),
  foreign key (mission_id, interrupt_id) references colony_approvals
);
create unique index colony_approval_grants_once on colony_approval_grants (mission_id, proposal_id);

create table colony_writebacks (
  mission_id text not null,
  proposal_id text not null,
  payload_sha256 text not null,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  status text not null check (status in ('intended', 'applied', 'conflicted', 'failed', 'unknown')),
  idempotency_key text not null unique,
  payload jsonb not null,
  outcome jsonb,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (mission_id, proposal_id, payload_sha256),
  constraint writeback_needs_grant foreign key (mission_id, proposal_id, payload_sha256)
    references colony_approval_grants
);

create table colony_model_calls (
  call_id text not null,
  mission_id text not null references colony_missions,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  task_key text not null,
  revision int not null,
  status text not null,
  provider text not null,
  model text not null,
  request_sha256 text not null,
  request bytea not null,
  response bytea not null,
  tokens_in bigint not null,
  tokens_out bigint not null,
  cost_usd numeric(14, 6) not null,
  duration_ms bigint not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  primary key (mission_id, call_id)
);

create table colony_tool_calls (
  call_id text not null,
  mission_id text not null references colony_missions,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  task_key text not null,
  revision int not null,
  status text not null check (status in ('ok', 'refused', 'failed')),
  tool text not null,
  arguments jsonb not null,
  response bytea,
  reason text,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  primary key (mission_id, call_id)
);

create table colony_budgets (
  mission_id text primary key references colony_missions,
  tenant_id text not null default colony_tenant(),
  token_budget bigint not null,
  tokens_in bigint not null default 0,
  tokens_out bigint not null default 0,
  time_budget_ms bigint not null,
  time_spent_ms bigint not null default 0,
  cost_usd numeric(14, 6) not null default 0,
  model_calls int not null default 0,
  epoch bigint not null default colony_epoch(),
  updated_at timestamptz not null default now()
);

create table colony_pheromone_signals (
  signal_id text primary key,
  mission_id text not null references colony_missions,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  status text not null,
  mission_type text not null,
  source text not null,
  strength double precision not null,
  half_life_ms bigint not null,
  payload jsonb not null default '{}',
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on colony_pheromone_signals (tenant_id, mission_type, source, created_at desc);

create table colony_outbox (
  outbox_id bigint generated always as identity primary key,
  mission_id text not null references colony_missions,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  topic text not null,
  status text not null default 'pending',
  payload jsonb not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

do $$
declare
  t text;
begin
  foreach t in array array['colony_events', 'colony_plans', 'colony_tasks', 'colony_prompt_packages',
    'colony_librarian_passes', 'colony_research_artifacts', 'colony_worker_results', 'colony_aggregation_packets',
    'colony_review_packets', 'colony_policy_decisions', 'colony_approvals', 'colony_approval_grants',
    'colony_writebacks', 'colony_model_calls', 'colony_tool_calls', 'colony_budgets', 'colony_pheromone_signals',
    'colony_outbox', 'colony_leases', 'colony_submissions', 'colony_missions']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('grant select, insert on %I to colony_app', t);
    if t not in ('colony_leases', 'colony_submissions', 'colony_missions') then
      execute format('create trigger fence before insert or update or delete on %I
                      for each row execute function colony_fence_mission()', t);
    end if;
  end loop;
end $$;

-- What may change after it was written, column by column; nothing may be deleted or truncated by the service.
grant select on colony_status_moves to colony_app;
grant update on colony_missions, colony_leases, colony_budgets to colony_app;
grant delete on colony_leases to colony_app;
grant update (status, updated_at) on colony_tasks to colony_app;
grant update (status, decision, decision_content, decided_by, decided_at, updated_at, epoch) on colony_approvals to colony_app;
grant update (status, outcome, updated_at, epoch) on colony_writebacks to colony_app;
grant update (status, updated_at) on colony_outbox to colony_app;

create view colony_artifacts with (security_invoker = true) as
  select 'task' as kind, artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_tasks
  union all select 'prompt_package', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_prompt_packages
  union all select 'librarian_pass', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_librarian_passes
  union all select 'research_artifact', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_research_artifacts
  union all select 'worker_result', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_worker_results
  union all select 'aggregation_packet', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_aggregation_packets
  union all select 'review_packet', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_review_packets
  union all select 'policy_decision', artifact_id, mission_id, revision, task_key, status, payload, content, sha256, created_at from colony_policy_decisions
  union all select 'writeback', proposal_id, mission_id, 0, '', status, payload || jsonb_build_object('outcome', outcome), null, payload_sha256, created_at from colony_writebacks;
grant select on colony_artifacts to colony_app;

-- Work that must cross tenants: narrow, definer's rights, ids and tenants only.
create policy system on colony_missions for select to colony_system using (true);
create policy system on colony_approvals for select to colony_system using (true);
create policy system on colony_leases for select to colony_system using (true);
create policy system_renew on colony_leases for update to colony_system using (true) with check (true);
grant select on colony_missions, colony_approvals, colony_leases to colony_system;
grant update (lease_until) on colony_leases to colony_system;

create function colony_runnable(most int) returns table (mission_id text, tenant_id text, graph_version text)
language sql stable security definer set search_path = public, pg_temp as $$
  select m.mission_id, m.tenant_id, m.graph_version from colony_missions m left join colony_leases l using (mission_id)
  where m.status in ('received', 'running') and (l.mission_id is null or l.lease_until < clock_timestamp())
    and m.updated_at < clock_timestamp() - interval '1 second'
  order by m.updated_at limit most
$$;

create function colony_renew(worker text, missions text[], epochs bigint[], lease_ms int) returns setof text
language sql security definer set search_path = public, pg_temp as $$
  update colony_leases l set lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
  from unnest(missions, epochs) as held(mission_id, epoch)
  where l.mission_id = held.mission_id and l.epoch = held.epoch and l.worker_id = worker
    and l.lease_until > clock_timestamp()
  returning l.mission_id
$$;

create function colony_overdue_approvals(most int) returns table (mission_id text, tenant_id text, interrupt_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select a.mission_id, a.tenant_id, a.interrupt_id from colony_approvals a
  where a.status = 'pending' and a.expires_at < clock_timestamp() order by a.expires_at limit most
$$;

create function colony_counts() returns table (what text, count bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select 'mission_' || m.status, count(*) from colony_missions m group by m.status
  union all select 'approval_pending', count(*) from colony_approvals a where a.status = 'pending'
$$;

grant create on schema public to colony_system;
alter function colony_runnable(int) owner to colony_system;
alter function colony_renew(text, text[], bigint[], int) owner to colony_system;
alter function colony_overdue_approvals(int) owner to colony_system;
alter function colony_counts() owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_runnable(int), colony_renew(text, text[], bigint[], int), colony_overdue_approvals(int),
  colony_counts() from public;
grant execute on function colony_runnable(int), colony_renew(text, text[], bigint[], int),
  colony_overdue_approvals(int), colony_counts() to colony_app;

-- What a mission asked and was answered, content-addressed, so that it can be run again; and replays without effects.
-- depends: 0015_secrets

-- Each text once a tenant, however many missions asked or were answered the same. Dropped by the pruner alone.
create table colony_recorded (
  tenant_id text not null default colony_tenant(),
  sha256 text not null,
  content bytea not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, sha256)
);

create table colony_recordings (
  mission_id text not null references colony_missions,
  position bigint generated always as identity,
  tenant_id text not null default colony_tenant(),
  stage text not null,
  revision int not null,
  task_key text not null,
  channel text not null,
  request_sha256 text not null,
  answer_sha256 text,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  primary key (mission_id, position)
);

-- What a replay came to, once it has ended. Written once.
create table colony_replay_reports (
  mission_id text primary key references colony_missions,
  tenant_id text not null default colony_tenant(),
  identical boolean not null,
  payload jsonb not null,
  created_at timestamptz not null default now()
);

do $$
declare
  t text;
begin
  foreach t in array array['colony_recorded', 'colony_recordings', 'colony_replay_reports'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy backup on %I for select to colony_backup using (true)', t);
    execute format('grant select, insert on %I to colony_app', t);
  end loop;
end $$;
create trigger fence before insert or update or delete on colony_recordings
  for each row execute function colony_fence_mission();

-- A replay has no effects, whatever its process does: nobody is asked, and nothing is granted.
create function colony_refuse_rehearsed() returns trigger language plpgsql as $$
begin
  if exists (select from colony_missions m where m.mission_id = new.mission_id and m.lineage_kind = 'replay') then
    raise exception 'a replay has no effects' using errcode = 'CO004';
  end if;
  return new;
end $$;
create trigger rehearsed before insert on colony_approvals for each row execute function colony_refuse_rehearsed();
create trigger rehearsed before insert on colony_approval_grants for each row execute function colony_refuse_rehearsed();
create trigger rehearsed before insert on colony_writebacks for each row execute function colony_refuse_rehearsed();

-- What a mission is does not change after it was made.
create function colony_keep_lineage() returns trigger language plpgsql as $$
begin
  if (new.lineage_kind, new.parent_mission_id, new.parent_checkpoint_id)
     is distinct from (old.lineage_kind, old.parent_mission_id, old.parent_checkpoint_id) then
    raise exception 'a mission keeps its lineage' using errcode = 'CO002';
  end if;
  return new;
end $$;
create trigger lineage before update on colony_missions for each row execute function colony_keep_lineage();
create index on colony_missions (parent_mission_id) where parent_mission_id is not null;

grant select, delete on colony_recordings, colony_recorded to colony_pruner;
create policy prune on colony_recorded for all to colony_pruner using (true);
create policy prune on colony_recordings for all to colony_pruner using (true);
create index on colony_recordings (tenant_id, request_sha256);
create index on colony_recordings (tenant_id, answer_sha256);

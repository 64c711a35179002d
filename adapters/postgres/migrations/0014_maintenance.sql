-- Backup, prune and restore: who may do what, and what a restore must hold back.
-- depends: 0005_model_calls

-- Reads everything, of every tenant, and writes nothing: what a backup is taken as.
do $$
declare
  s text;
  t record;
begin
  foreach s in array array['public', 'root', 'queue'] loop
    execute format('grant usage on schema %I to colony_backup', s);
    execute format('grant select on all tables in schema %I to colony_backup', s);
    execute format('grant select on all sequences in schema %I to colony_backup', s);
    execute format('alter default privileges in schema %I grant select on tables to colony_backup', s);
    execute format('alter default privileges in schema %I grant select on sequences to colony_backup', s);
  end loop;
  for t in select c.oid::regclass as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p') and c.relrowsecurity and n.nspname in ('public', 'root') loop
    execute format('create policy backup on %s for select to colony_backup using (true)', t.name);
  end loop;
end $$;

-- Drops what replay alone needs. It works on one mission at a time, under that mission's lock, tenant and epoch.
alter table colony_missions add column pruned_at timestamptz;
alter table colony_model_calls add column response_sha256 text;
alter table colony_tool_calls add column response_sha256 text;

grant usage on schema public to colony_pruner;
grant select, update (pruned_at, step_key, step_update) on colony_missions to colony_pruner;
grant select, delete on checkpoints, checkpoint_blobs, checkpoint_writes, colony_submissions to colony_pruner;
grant select, update (request, response, response_sha256) on colony_model_calls to colony_pruner;
grant select, update (response, response_sha256) on colony_tool_calls to colony_pruner;
create policy prune on colony_missions for all to colony_pruner using (true);
create policy prune_submissions on colony_submissions for all to colony_pruner using (true);
create index on colony_missions (updated_at) where pruned_at is null;

-- One row a restore. Until it is reconciled with the root, no mission is claimed.
create table colony_restores (
  restore_id bigint generated always as identity primary key,
  backup_sha256 text not null,
  restored_at timestamptz not null default now(),
  reconciled_at timestamptz,
  report jsonb
);
grant select on colony_restores to colony_app, colony_backup;
create function colony_on_hold() returns boolean language sql stable
as $$ select exists (select from colony_restores where reconciled_at is null) $$;

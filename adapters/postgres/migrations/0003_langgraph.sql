-- depends: 0001_colony
-- LangGraph's checkpoint tables, once its own setup has made them: tenant column, row-level security, epoch fence.
do $$
declare
  t text;
begin
  foreach t in array array['checkpoints', 'checkpoint_blobs', 'checkpoint_writes'] loop
    execute format('alter table %I add column tenant_id text', t);
    execute format('alter table %I alter column tenant_id set default colony_tenant(),
                    alter column tenant_id set not null', t);
    execute format('alter table %I add column epoch bigint not null default colony_epoch()', t);
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create trigger fence before insert or update or delete on %I
                    for each row execute function colony_fence_thread()', t);
    execute format('grant select, insert, update, delete on %I to colony_app', t);
  end loop;
end $$;
grant select on checkpoint_migrations to colony_app;

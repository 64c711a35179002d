-- A mission's working time is what its leases say; what a model says as it says it, for whoever is listening.
-- depends: 0005_model_calls
alter table colony_leases
  add column began_at timestamptz not null default clock_timestamp(),
  add column renewed_at timestamptz not null default clock_timestamp();

-- Charges a lease's time to the mission's budget when the lease ends: given up, evicted or taken over. A holder that
-- died is charged up to its last sign of life, so a kill can lose no more than one heartbeat.
create function colony_charge_lease() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.epoch = old.epoch then
    new.renewed_at := clock_timestamp();
    return new;
  end if;
  update colony_budgets
  set time_spent_ms = time_spent_ms + greatest(0, (extract(epoch from
        case when old.lease_until < clock_timestamp() then old.renewed_at else clock_timestamp() end - old.began_at)
        * 1000)::bigint),
      updated_at = now()
  where mission_id = old.mission_id;
  if tg_op = 'DELETE' then
    return old;
  end if;
  new.began_at := clock_timestamp();
  new.renewed_at := clock_timestamp();
  return new;
end $$;
create trigger charge before update or delete on colony_leases for each row execute function colony_charge_lease();

-- Unlogged: a crash may take it. Written only under the mission's present epoch; nobody but the pruner deletes.
create unlogged table colony_deltas (
  delta_id bigint generated always as identity primary key,
  mission_id text not null,
  tenant_id text not null default colony_tenant(),
  task_key text not null,
  call_id text not null,
  text text not null,
  created_at timestamptz not null default clock_timestamp()
);
create index on colony_deltas (created_at);
alter table colony_deltas enable row level security;
alter table colony_deltas force row level security;
create policy tenant on colony_deltas using (tenant_id = (select colony_tenant()))
  with check (tenant_id = (select colony_tenant()));
create trigger fence before insert or update on colony_deltas for each row execute function colony_fence_mission();
grant select, insert on colony_deltas to colony_app;

create policy system on colony_deltas for select to colony_system using (true);
create policy system_prune on colony_deltas for delete to colony_system using (true);
grant select, delete on colony_deltas to colony_system;
create function colony_prune_deltas() returns void
language sql security definer set search_path = public, pg_temp as $$
  delete from colony_deltas where created_at < clock_timestamp() - interval '1 minute'
$$;
grant create on schema public to colony_system;
alter function colony_prune_deltas() owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_prune_deltas() from public;
grant execute on function colony_prune_deltas() to colony_app;

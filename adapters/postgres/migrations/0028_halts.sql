-- The kill switch: while a tenant, or everybody, is halted, nothing is claimed, no lease is renewed and no write begins.
-- depends: 0017_effects

-- One row a halt, which stays as the record of who stopped what and why; '*' is every tenant.
create table colony_halts (
  halt_id bigint generated always as identity primary key,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  reason text not null check (length(reason) between 1 and 2000),
  created_at timestamptz not null default clock_timestamp(),
  lifted_at timestamptz,
  lifted_by text,
  check ((lifted_at is null) = (lifted_by is null))
);
create index on colony_halts (tenant_id) where lifted_at is null;
alter table colony_halts enable row level security;
alter table colony_halts force row level security;
create policy tenant on colony_halts using (tenant_id = (select colony_tenant()))
  with check (tenant_id = (select colony_tenant()));
create policy everybody on colony_halts for select using (tenant_id = '*');
create policy system on colony_halts to colony_system using (true) with check (true);
create policy backup on colony_halts for select to colony_backup using (true);
grant select, insert (actor_id, reason), update (lifted_at, lifted_by) on colony_halts to colony_app;
grant select, insert, update on colony_halts to colony_system;
grant select on colony_halts to colony_backup;

create function colony_halted(tenant text) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select from colony_halts where lifted_at is null and tenant_id in (tenant, '*'))
$$;
create function colony_halts_in_force() returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select count(*) from colony_halts where lifted_at is null
$$;

-- A halt rings for every mission that is being run, whose process then asks for its lease at once and loses it.
create function colony_ring_halt() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_notify('colony_taken', mission_id) from colony_leases
  where new.tenant_id in (tenant_id, '*') and lease_until > clock_timestamp();
  return null;
end $$;
create trigger ring after insert on colony_halts for each row execute function colony_ring_halt();

create function colony_lift_once() returns trigger language plpgsql as $$
begin
  if old.lifted_at is not null then
    raise exception 'a lifted halt stays lifted' using errcode = 'CO003';
  end if;
  new.lifted_at := clock_timestamp();
  return new;
end $$;
create trigger once before update on colony_halts for each row execute function colony_lift_once();

-- The last gate before an effect: no intent is stored any more, from the halt's commit on. It is the fence's error, since
-- what becomes of the run is the same: it stops, nothing of it fails, and it goes on where it was when the halt is lifted.
create function colony_refuse_when_halted() returns trigger language plpgsql as $$
begin
  if colony_halted(new.tenant_id) then
    raise exception 'halted' using errcode = 'CO001';
  end if;
  return new;
end $$;
create trigger halt before insert on colony_writebacks for each row execute function colony_refuse_when_halted();

grant create on schema public to colony_system;
alter function colony_halted(text) owner to colony_system;
alter function colony_halts_in_force() owner to colony_system;
alter function colony_ring_halt() owner to colony_system;
set local role colony_system;
-- As before, but for the halted: their leases end.
create or replace function colony_renew(worker text, missions text[], epochs bigint[], lease_ms int) returns setof text
language sql security definer set search_path = public, pg_temp as $$
  update colony_leases l set lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
  from unnest(missions, epochs) as held(mission_id, epoch)
  where l.mission_id = held.mission_id and l.epoch = held.epoch and l.worker_id = worker
    and l.lease_until > clock_timestamp() and not colony_halted(l.tenant_id)
  returning l.mission_id
$$;
create or replace function colony_runnable(most int, version text) returns table (mission_id text, tenant_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select m.mission_id, m.tenant_id from colony_missions m left join colony_leases l using (mission_id)
  where m.status in ('received', 'running') and (l.mission_id is null or l.lease_until < clock_timestamp())
    and m.graph_version = version
    and m.updated_at < clock_timestamp() - interval '1 second'
    and not colony_halted(m.tenant_id)
    and not exists (
      select from queue.procrastinate_jobs j
      where j.queue_name = 'missions' and j.args ->> 'mission_id' = m.mission_id
        and (j.status = 'todo' or j.scheduled_at > clock_timestamp() - interval '5 seconds'))
  order by m.updated_at limit most
$$;
set local role colony_owner;
revoke create on schema public from colony_system;
revoke all on function colony_halted(text), colony_halts_in_force(), colony_ring_halt() from public;
grant execute on function colony_halted(text) to colony_app, colony_owner, colony_backup, colony_queue;
grant execute on function colony_halts_in_force() to colony_app;

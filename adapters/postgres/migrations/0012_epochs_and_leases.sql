-- A fenced row carries the epoch of whoever wrote it last, and a lease that was given back is charged like any other.
-- depends: 0003_langgraph 0008_accounting 0011_recovery
create function colony_carry_epoch() returns trigger language plpgsql as $$
begin
  new.epoch := coalesce(colony_epoch(), new.epoch);
  return new;
end $$;
-- Its name comes before the fence's, which is what refuses a writer without an epoch.
do $$
declare
  t record;
begin
  for t in select tgrelid::regclass as name from pg_trigger join pg_attribute a on a.attrelid = tgrelid
           where tgname = 'fence' and a.attname = 'epoch' and not a.attisdropped loop
    execute format('create trigger carry before update on %s for each row execute function colony_carry_epoch()', t.name);
  end loop;
end $$;

-- A lease given back stays until the next one takes its place, whose holder has the epoch to charge its time. It ended
-- long ago, where that of a process that died ended when it lapsed.
grant create on schema public to colony_system;
set local role colony_system;
create or replace function colony_let_go(worker text, missions text[], epochs bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
  update colony_leases l set lease_until = '-infinity'
  from unnest(missions, epochs) as held(mission_id, epoch)
  where l.mission_id = held.mission_id and l.epoch = held.epoch and l.worker_id = worker
$$;
set local role colony_owner;
revoke create on schema public from colony_system;

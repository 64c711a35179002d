"""An observer in the database: who wrote what, in which order. It belongs to the harness, not to the product."""

# Every write to a fenced table, numbered in its own transaction, in which the writer holds the mission's row.
OBSERVE = """
create schema observed;
create table observed.writes (
  write_id bigint generated always as identity primary key, mission_id text not null, "table" text not null,
  operation text not null, epoch bigint
);
create function observed.note() returns trigger language plpgsql security definer set search_path = public as $$
declare
  written jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  insert into observed.writes (mission_id, "table", operation, epoch)
  values (coalesce(written->>'mission_id', written->>'thread_id'), tg_table_name, tg_op, colony_epoch());
  return null;
end $$;
-- Every write to a lease, with the moment at which it was made: taken, renewed, returned, gone.
create table observed.leases (
  write_id bigint generated always as identity primary key, mission_id text not null, epoch bigint not null,
  operation text not null, held boolean not null, at float8 not null
);
create function observed.note_lease() returns trigger language plpgsql security definer set search_path = public as $$
declare
  lease colony_leases := case when tg_op = 'DELETE' then old else new end;
begin
  insert into observed.leases (mission_id, epoch, operation, held, at)
  values (lease.mission_id, lease.epoch, tg_op, tg_op <> 'DELETE' and lease.lease_until <> '-infinity',
          extract(epoch from clock_timestamp()));
  return null;
end $$;
create trigger observe after insert or update or delete on colony_leases
  for each row execute function observed.note_lease();
do $$
declare
  t record;
begin
  for t in select tgrelid::regclass as name from pg_trigger
           where tgname = 'fence' and tgrelid <> 'colony_deltas'::regclass loop
    execute format('create trigger observe after insert or update or delete on %s
                    for each row execute function observed.note()', t.name);
  end loop;
end $$;
"""

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
-- A lease that its own holder gave up or gave back; one that is taken over is neither.
create table observed.returned (mission_id text not null, epoch bigint not null);
create function observed.note_return() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'DELETE' or new.lease_until = '-infinity' then
    insert into observed.returned values (old.mission_id, old.epoch);
  end if;
  return null;
end $$;
create trigger observe after update or delete on colony_leases for each row execute function observed.note_return();
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

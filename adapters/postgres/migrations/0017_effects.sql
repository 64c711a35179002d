-- A restore that was stopped half-way is on hold, too; and writes that nobody knows the outcome of are counted.
-- depends: 0015_secrets

-- The schema `colony_restoring` comes with the backup's own transaction, whatever version the backup is of, and goes with
-- the one that puts the hold down in `colony_restores`: between the two there is no moment without one of them.
create or replace function colony_on_hold() returns boolean language sql stable
as $$
  select exists (select from colony_restores where reconciled_at is null)
      or exists (select from pg_catalog.pg_namespace where nspname = 'colony_restoring')
$$;

-- What was sent and has no outcome: known to be unknown, or begun by a mission that has ended since.
create index on colony_writebacks (mission_id) where status in ('intended', 'unknown');
create policy system on colony_writebacks for select to colony_system using (true);
grant select (mission_id, status) on colony_writebacks to colony_system;
grant create on schema public to colony_system;
set local role colony_system;
create function colony_writebacks_unresolved() returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select count(*) from colony_writebacks w join colony_missions m using (mission_id)
  where w.status = 'unknown'
     or w.status = 'intended' and m.status not in ('received', 'running', 'awaiting_approval')
$$;
revoke all on function colony_writebacks_unresolved() from public;
grant execute on function colony_writebacks_unresolved() to colony_app;
set local role colony_owner;
revoke create on schema public from colony_system;

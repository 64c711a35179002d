-- Definer functions are for the roles that they are for: taken from everybody once they were colony_system's, the earlier
-- revocations, which ran as colony_owner, took nothing away.
-- depends: 0028_halts 0027_sdk_threads 0023_constitution 0017_effects
set local role colony_system;
do $$
declare
  f record;
begin
  for f in select p.oid::regprocedure as name, p.prorettype = 'trigger'::regtype as fires from pg_proc p
           where p.proowner = 'colony_system'::regrole and p.pronamespace = 'public'::regnamespace
             and has_function_privilege('public', p.oid, 'execute') loop
    execute format('revoke all on function %s from public', f.name);
    if not f.fires then
      execute format('grant execute on function %s to colony_app', f.name);
    end if;
  end loop;
end $$;
revoke execute on function colony_is_foreign(text, text), colony_is_waiting(text) from colony_app;
grant execute on function colony_is_foreign(text, text), colony_is_waiting(text) to colony_queue;
set local role colony_owner;

-- name: powers
-- The role that logged in counts beside the one in force: `reset role` would bring it back.
select r.rolname as name,
  concat_ws(', ',
    case when r.rolsuper then 'is a superuser' end,
    case when r.rolbypassrls then 'bypasses row-level security' end,
    case when r.rolcreaterole then 'may make roles' end,
    (select 'owns ' || min(c.oid::regclass::text) from pg_class c where c.relowner = r.oid having count(*) > 0),
    (select 'belongs to ' || min(m.roleid::regrole::text) from pg_auth_members m where m.member = r.oid having count(*) > 0)
  ) as powers
from pg_roles r where r.rolname in (current_user, session_user) order by 1;

-- name: next
select id, mission_id, tenant_id from colony_next_job(%(tenants)s, %(running)s, %(last_place)s, %(version)s);

-- name: done
delete from procrastinate_jobs where id = %(id)s;

-- name: requeue
select colony_requeue as mission_id from colony_requeue(%(missions)s, %(tenants)s);

-- name: hold_alone
select held, wanted from colony_hold_alone(%(holder)s, %(id)s, %(mission_id)s, %(hold_ms)s, %(later_ms)s);

-- name: put_back
update procrastinate_jobs
set status = 'todo', scheduled_at = clock_timestamp() + %(later_ms)s * interval '1 millisecond'
where id = %(id)s;

-- name: leave_alone
delete from alone where holder = %(holder)s;

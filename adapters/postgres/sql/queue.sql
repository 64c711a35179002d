-- name: next
select id, mission_id, tenant_id from colony_next_job(%(tenants)s, %(running)s, %(last_place)s);

-- name: done
delete from procrastinate_jobs where id = %(id)s;

-- name: requeue
select colony_requeue as mission_id from colony_requeue(%(missions)s, %(tenants)s);

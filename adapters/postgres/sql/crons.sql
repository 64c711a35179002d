-- name: keep
insert into colony_crons (cron_id, thread_id, actor_id, graph_id, assistant_id, schedule, timezone, payload, metadata,
                          enabled, keep, end_at, next_at)
values (%(cron_id)s, %(thread_id)s, %(actor_id)s, %(graph_id)s, %(assistant_id)s, %(schedule)s, %(timezone)s, %(payload)s,
        %(metadata)s, %(enabled)s, %(keep)s, %(end_at)s, %(next_at)s)
returning *;

-- name: change
update colony_crons set schedule = %(schedule)s, timezone = %(timezone)s, payload = %(payload)s, metadata = %(metadata)s,
  enabled = %(enabled)s, keep = %(keep)s, end_at = %(end_at)s, next_at = %(next_at)s, updated_at = clock_timestamp()
where cron_id = %(cron_id)s returning *;

-- name: forget
delete from colony_crons where cron_id = %(cron_id)s returning cron_id;

-- name: found
select *, count(*) over () as total from colony_crons
where (%(cron_id)s::text is null or cron_id = %(cron_id)s)
  and (%(assistants)s::text[] is null or assistant_id = any(%(assistants)s))
  and (%(thread_id)s::text is null or thread_id = %(thread_id)s)
  and (%(enabled)s::boolean is null or enabled = %(enabled)s)
  and (%(metadata)s::jsonb is null or metadata @> %(metadata)s)
order by created_at desc, cron_id limit %(limit)s offset %(offset)s;

-- name: due
select cron_id, tenant_id from colony_due_crons(%(graphs)s, 20);

-- name: at
select * from colony_crons where cron_id = %(cron_id)s and enabled and next_at <= clock_timestamp();

-- name: take
update colony_crons set next_at = %(next_at)s, updated_at = clock_timestamp()
where cron_id = %(cron_id)s and next_at = %(was)s and enabled returning cron_id;

-- name: say
with said as (
  insert into colony_deltas (mission_id, task_key, call_id, text)
  values (%(mission_id)s, %(task_key)s, %(call_id)s, %(text)s)
  returning mission_id, delta_id
)
select pg_notify('colony_deltas', mission_id || ' ' || delta_id) from said;

-- name: watch
select pg_notify('colony_watched', mission_id) from unnest(%(missions)s::text[]) as mission_id;

-- name: heard
select mission_id, task_key, call_id, text from colony_deltas
where mission_id = %(mission_id)s and delta_id = any(%(ids)s::bigint[]) order by delta_id;

-- name: prune
select colony_prune_deltas();

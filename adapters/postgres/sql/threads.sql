-- name: create
insert into colony_threads (thread_id, actor_id, metadata, config, ttl_min)
values (%(thread_id)s, %(actor_id)s, %(metadata)s, %(config)s, %(ttl_min)s::float8)
on conflict (thread_id) do nothing
returning thread_id;

-- name: note
insert into colony_threads (thread_id, actor_id, metadata, created_at)
select m.mission_id, %(actor_id)s, %(metadata)s, m.created_at from colony_missions m where m.mission_id = %(thread_id)s
on conflict (thread_id) do nothing;

-- name: patch
update colony_threads set metadata = metadata || %(metadata)s, ttl_min = coalesce(%(ttl_min)s::float8, ttl_min),
  updated_at = clock_timestamp() where thread_id = %(thread_id)s
returning thread_id;

-- name: unkept
select thread_id, tenant_id from colony_unkept_threads(100);

-- name: forget
select colony_forget_thread(%(thread_id)s) as forgotten;

-- name: thread
select coalesce(t.thread_id, m.mission_id) as thread_id, coalesce(t.actor_id, m.actor_id) as actor_id, t.graph_id,
       coalesce(t.metadata, '{}') as metadata, coalesce(t.config, '{}') as config, coalesce(t.epoch, 0) as epoch,
       coalesce(t.seq, 0) as seq, coalesce(t.created_at, m.created_at) as created_at,
       greatest(t.updated_at, m.updated_at) as updated_at, m.mission_id, m.mission_type, m.status as mission_status, m.stage,
       m.payload -> 'failure' as failure, m.parent_mission_id, r.status as run_status, r.assistant_id, r.failure as run_failure
from (select * from colony_threads where thread_id = %(thread_id)s) t
full join (select * from colony_missions where mission_id = %(thread_id)s) m on m.mission_id = t.thread_id
left join lateral (select o.* from colony_runs o where o.thread_id = t.thread_id order by o.number desc limit 1) r on true;

-- name: search
with listed as (
  select coalesce(t.thread_id, m.mission_id) as thread_id, coalesce(t.actor_id, m.actor_id) as actor_id, t.graph_id,
         coalesce(t.metadata, '{}') as metadata, coalesce(t.config, '{}') as config, coalesce(t.epoch, 0) as epoch,
         coalesce(t.seq, 0) as seq, coalesce(t.created_at, m.created_at) as created_at,
         greatest(t.updated_at, m.updated_at) as updated_at, m.mission_id, m.mission_type, m.status as mission_status, m.stage,
         m.payload -> 'failure' as failure, m.parent_mission_id, r.status as run_status, r.assistant_id,
         r.failure as run_failure,
         case when m.status in ('received', 'running') or r.status in ('pending', 'running') then 'busy'
              when m.status = 'awaiting_approval' or r.status = 'interrupted' then 'interrupted'
              when m.status in ('failed', 'expired', 'blocked') or r.status in ('error', 'timeout') then 'error'
              else 'idle' end as status
  from colony_threads t full join colony_missions m on m.mission_id = t.thread_id
  left join lateral (select o.* from colony_runs o where o.thread_id = t.thread_id order by o.number desc limit 1) r on true
), found as (
  select * from listed
  where (%(ids)s::text[] is null or thread_id = any(%(ids)s))
    and (%(status)s::text is null or status = %(status)s)
    and (%(metadata)s::jsonb is null or (metadata || jsonb_strip_nulls(jsonb_build_object(
         'graph_id', case when mission_id is null then graph_id else 'colony' end, 'assistant_id', coalesce(mission_type, assistant_id),
         'mission_id', mission_id, 'mission_type', mission_type))) @> %(metadata)s)
)
select found.*, count(*) over () as total from found
order by
  case when %(sort)s = 'created_at' and %(newest)s then created_at end desc,
  case when %(sort)s = 'created_at' and not %(newest)s then created_at end,
  case when %(sort)s = 'updated_at' and %(newest)s then updated_at end desc,
  case when %(sort)s = 'updated_at' and not %(newest)s then updated_at end,
  case when %(sort)s = 'status' and %(newest)s then status end desc,
  case when %(sort)s = 'status' and not %(newest)s then status end,
  case when %(newest)s then thread_id end desc, thread_id
limit %(limit)s offset %(offset)s;

-- name: count
with listed as (
  select coalesce(t.thread_id, m.mission_id) as thread_id, coalesce(t.metadata, '{}') as metadata, t.graph_id, m.mission_id,
         m.mission_type, r.assistant_id,
         case when m.status in ('received', 'running') or r.status in ('pending', 'running') then 'busy'
              when m.status = 'awaiting_approval' or r.status = 'interrupted' then 'interrupted'
              when m.status in ('failed', 'expired', 'blocked') or r.status in ('error', 'timeout') then 'error'
              else 'idle' end as status
  from colony_threads t full join colony_missions m on m.mission_id = t.thread_id
  left join lateral (select o.* from colony_runs o where o.thread_id = t.thread_id order by o.number desc limit 1) r on true
)
select count(*) as total from listed
where (%(ids)s::text[] is null or thread_id = any(%(ids)s))
  and (%(status)s::text is null or status = %(status)s)
  and (%(metadata)s::jsonb is null or (metadata || jsonb_strip_nulls(jsonb_build_object(
       'graph_id', case when mission_id is null then graph_id else 'colony' end, 'assistant_id', coalesce(mission_type, assistant_id),
       'mission_id', mission_id, 'mission_type', mission_type))) @> %(metadata)s);

-- name: put_item
insert into colony_memories (namespace, key, actor_id, payload, expires_at)
select %(namespace)s, %(key)s, %(actor_id)s, %(value)s, clock_timestamp() + %(ttl_min)s::float8 * interval '1 minute'
where exists (select from colony_memories where namespace = %(namespace)s and key = %(key)s)
   or (select count(*) from (select from colony_memories limit %(most)s) as held) < %(most)s
on conflict (tenant_id, namespace, key) do update
set payload = excluded.payload, actor_id = excluded.actor_id, expires_at = excluded.expires_at, updated_at = clock_timestamp()
returning key;

-- name: get_item
select namespace, key, payload, created_at, updated_at from colony_memories
where namespace = %(namespace)s and key = %(key)s and (expires_at is null or expires_at > clock_timestamp());

-- name: delete_item
delete from colony_memories where namespace = %(namespace)s and key = %(key)s returning key;

-- name: search_items
select namespace, key, payload, created_at, updated_at from colony_memories
where namespace[1:%(depth)s] = %(prefix)s::text[] and (%(filter)s::jsonb is null or payload @> %(filter)s)
  and (expires_at is null or expires_at > clock_timestamp())
order by updated_at desc, namespace, key limit %(limit)s offset %(offset)s;

-- name: namespaces
select distinct namespace[1:%(max_depth)s] as namespace from colony_memories
where namespace[1:%(depth)s] = %(prefix)s::text[]
  and (%(tail)s = 0 or namespace[greatest(1, cardinality(namespace) - %(tail)s + 1):] = %(suffix)s::text[])
  and (expires_at is null or expires_at > clock_timestamp())
order by 1 limit %(limit)s offset %(offset)s;

-- name: sweep_items
delete from colony_memories where expires_at < clock_timestamp() returning key;

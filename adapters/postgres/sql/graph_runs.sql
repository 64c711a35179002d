-- name: enqueue
insert into colony_runs (run_id, thread_id, actor_id, graph_id, assistant_id, status, payload, metadata, begins_at)
values (%(run_id)s, %(thread_id)s, %(actor_id)s, %(graph_id)s, %(assistant_id)s, 'pending', %(payload)s, %(metadata)s,
        clock_timestamp() + %(after_s)s * interval '1 second')
returning run_id, pg_notify('colony_runs', run_id), pg_notify('colony_events', thread_id);

-- name: bind
update colony_threads set graph_id = %(graph_id)s, updated_at = clock_timestamp() where thread_id = %(thread_id)s
  and not exists (select from colony_missions m where m.mission_id = thread_id)
returning thread_id;

-- name: open_runs
select run_id, status from colony_runs where thread_id = %(thread_id)s and status in ('pending', 'running') order by number;

-- name: runs
select r.*, (select coalesce(min(f.seq), 0) from colony_frames f where f.thread_id = r.thread_id and f.run_id = r.run_id) as first_seq
from colony_runs r where r.thread_id = %(thread_id)s order by r.number desc limit 1000;

-- name: run
select r.*, (select coalesce(min(f.seq), 0) from colony_frames f where f.thread_id = r.thread_id and f.run_id = r.run_id) as first_seq
from colony_runs r where r.thread_id = %(thread_id)s and r.run_id = %(run_id)s;

-- name: claim
select run_id, thread_id, tenant_id, epoch from colony_claim_run(%(worker)s, %(lease_ms)s, %(graphs)s);

-- name: renew
update colony_runs set lease_until = clock_timestamp() + %(lease_ms)s * interval '1 millisecond'
where run_id = %(run_id)s and status = 'running' and worker_id = %(worker)s and attempts = %(attempts)s
  and not colony_halted(tenant_id)
returning run_id;

-- name: settle
update colony_runs set status = %(status)s, failure = %(failure)s, lease_until = null, updated_at = clock_timestamp()
where run_id = %(run_id)s and status in ('pending', 'running')
returning run_id;

-- name: forget_run
delete from colony_runs where thread_id = %(thread_id)s and run_id = %(run_id)s returning run_id;

-- name: forget_ended
delete from colony_runs where thread_id = %(thread_id)s and run_id = %(run_id)s and status not in ('pending', 'running')
returning run_id;

-- name: to_cancel
select thread_id, run_id from colony_runs where status in ('pending', 'running')
  and (%(thread_id)s::text is null or thread_id = %(thread_id)s)
  and (%(run_ids)s::text[] is null or run_id = any(%(run_ids)s))
  and (%(status)s::text is null or status = %(status)s)
order by number limit 1000;

-- name: undo
select colony_undo_checkpoints(%(thread_id)s, %(checkpoints)s) as undone;

-- name: raise_epoch
update colony_threads set epoch = epoch + 1 where thread_id = %(thread_id)s returning epoch;

-- name: say
with head as (
  update colony_threads set seq = seq + %(n)s, updated_at = clock_timestamp()
  where thread_id = %(thread_id)s and epoch = %(epoch)s returning seq - %(n)s as before
), said as (
  insert into colony_frames (thread_id, seq, run_id, method, namespace, payload)
  select %(thread_id)s, head.before + f.at, %(run_id)s, f.one ->> 'method',
         array(select jsonb_array_elements_text(f.one -> 'namespace')), f.one -> 'data'
  from head, jsonb_array_elements(%(frames)s) with ordinality as f(one, at)
  returning seq
)
select count(*) as n, pg_notify('colony_events', %(thread_id)s) from said;

-- name: frames
select seq, run_id, method, namespace, payload, created_at from colony_frames
where thread_id = %(thread_id)s and seq > %(after)s order by seq limit %(limit)s;

-- name: said_before
-- The names of the graph's own steps, and everything since the last of them.
with since as (
  select coalesce(max(seq), 0) as seq from colony_frames
  where thread_id = %(thread_id)s and run_id = %(run_id)s and method = 'step' and namespace = '{}'
)
select method, namespace, payload from colony_frames
where thread_id = %(thread_id)s and run_id = %(run_id)s and (method = 'step' or seq > (select seq from since)) order by seq;

-- name: head
select seq from colony_threads where thread_id = %(thread_id)s;

-- name: keep_assistant
with kept as (
  insert into colony_assistants (assistant_id, actor_id, graph_id, payload)
  values (%(assistant_id)s, %(actor_id)s, %(graph_id)s, %(payload)s) on conflict (assistant_id) do nothing returning *
)
insert into colony_assistant_versions (assistant_id, version, actor_id, payload)
select assistant_id, version, actor_id, payload || jsonb_build_object('graph_id', graph_id) from kept returning assistant_id;

-- name: change_assistant
-- A new version's number is above all there ever were, also when an older one is in use.
with changed as (
  update colony_assistants a set payload = a.payload || %(payload)s, graph_id = coalesce(%(graph_id)s, a.graph_id),
    version = 1 + greatest(a.version, (select max(v.version) from colony_assistant_versions v where v.assistant_id = a.assistant_id)),
    updated_at = clock_timestamp()
  where a.assistant_id = %(assistant_id)s returning *
)
insert into colony_assistant_versions (assistant_id, version, actor_id, payload)
select assistant_id, version, %(actor_id)s, payload || jsonb_build_object('graph_id', graph_id) from changed
returning assistant_id;

-- name: assistant_versions
select v.* from colony_assistant_versions v
where v.assistant_id = %(assistant_id)s and (%(metadata)s::jsonb is null or v.payload -> 'metadata' @> %(metadata)s)
order by v.version desc limit %(limit)s offset %(offset)s;

-- name: use_version
update colony_assistants a set payload = v.payload - 'graph_id', graph_id = v.payload ->> 'graph_id', version = v.version,
  updated_at = clock_timestamp()
from colony_assistant_versions v
where a.assistant_id = %(assistant_id)s and v.assistant_id = a.assistant_id and v.version = %(version)s returning a.assistant_id;

-- name: forget_assistant
delete from colony_assistants where assistant_id = %(assistant_id)s returning assistant_id;

-- name: assistants
select * from colony_assistants where (%(assistant_id)s::text is null or assistant_id = %(assistant_id)s)
order by created_at desc limit 1000;

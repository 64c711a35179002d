-- name: enqueue
insert into colony_runs (run_id, thread_id, actor_id, graph_id, assistant_id, status, payload, metadata)
values (%(run_id)s, %(thread_id)s, %(actor_id)s, %(graph_id)s, %(assistant_id)s, 'pending', %(payload)s, %(metadata)s)
returning run_id, pg_notify('colony_runs', run_id);

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

-- name: head
select seq from colony_threads where thread_id = %(thread_id)s;

-- name: keep_assistant
insert into colony_assistants (assistant_id, actor_id, graph_id, payload)
values (%(assistant_id)s, %(actor_id)s, %(graph_id)s, %(payload)s) on conflict (assistant_id) do nothing returning assistant_id;

-- name: change_assistant
update colony_assistants set payload = payload || %(payload)s, version = version + 1, updated_at = clock_timestamp()
where assistant_id = %(assistant_id)s returning assistant_id;

-- name: forget_assistant
delete from colony_assistants where assistant_id = %(assistant_id)s returning assistant_id;

-- name: assistants
select * from colony_assistants where (%(assistant_id)s::text is null or assistant_id = %(assistant_id)s)
order by created_at desc limit 1000;

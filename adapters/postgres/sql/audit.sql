-- Sealing and checking, as colony_audit.
-- name: turn
select pg_try_advisory_lock(hashtext('colony audit')) as mine;

-- name: snapshot
set transaction isolation level repeatable read;

-- name: roots
select number, content, sha256, signature, public_key from colony_audit_roots where number > %(after)s order by number
limit %(most)s;

-- name: last
select number, content, sha256, signature, public_key from colony_audit_roots order by number desc limit 1;

-- name: leaves
select number, content from colony_audit_leaves where number = any(%(numbers)s) order by number, place;

-- name: unsealed
-- A mission whose chain is not as far as it was sealed. One that is being written at this moment is left for the next root.
select m.mission_id, m.tenant_id, m.seq, m.head, m.status, m.pruned_at is not null as pruned
from colony_missions m left join lateral (
  select l.seq from colony_audit_leaves l where l.mission_id = m.mission_id order by l.number desc limit 1) l on true
where m.seq > 0 and m.mission_id > %(after)s and l.seq is distinct from m.seq
  and (%(since)s::timestamptz is null or m.updated_at > %(since)s)
  and m.updated_at <= clock_timestamp() - %(quiet_ms)s * interval '1 millisecond'
order by m.mission_id limit %(most)s;

-- name: held
select mission_id, tenant_id, seq, head, status, pruned_at is not null as pruned from colony_missions
where mission_id = any(%(missions)s) order by mission_id;

-- name: missions
select m.mission_id, m.tenant_id, m.seq, m.head, m.status, m.pruned_at is not null as pruned
from colony_missions m where m.mission_id > %(after)s order by m.mission_id limit %(most)s;

-- name: events
select mission_id, seq, content, prev_hash, hash from colony_events where mission_id = any(%(missions)s)
order by mission_id, seq;

-- name: sealed
select l.mission_id, l.number, l.content, l.rows, coalesce((
    select (convert_from(r.content, 'UTF8')::json ->> 'at')::timestamptz < e.since from colony_encryption e
  ), false) as plaintext
from colony_audit_leaves l join colony_audit_roots r using (number) where l.mission_id = any(%(missions)s)
order by l.mission_id, l.number;

-- name: root
insert into colony_audit_roots (number, content, sha256, signature, public_key)
values (%(number)s, %(content)s, %(sha256)s, %(signature)s, %(public_key)s);

-- name: leaf
insert into colony_audit_leaves (number, place, mission_id, tenant_id, seq, head, rows, content, proof)
values (%(number)s, %(place)s, %(mission_id)s, %(tenant_id)s, %(seq)s, %(head)s, %(rows)s, %(content)s, %(proof)s);

-- name: restores
select backup_sha256, restored_at from colony_restores order by restored_at desc limit 1;

-- name: entries
select tenant_id, seq, content, prev_hash, hash from colony_ledger_entries order by tenant_id, seq;

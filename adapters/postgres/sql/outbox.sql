-- name: open
select colony_open_channel(%(channel)s, %(from_start)s) as filled;

-- name: horizon
select pg_snapshot_xmax(pg_current_snapshot())::text as horizon;

-- name: fill
select colony_fill_channel(%(channel)s, %(horizon)s::xid8, %(most)s) as filled;

-- name: lease
select mission_id, tenant_id, seq, relayed_seq, attempts from colony_lease_outbox(%(channel)s, %(relay)s, %(most)s, %(lease_ms)s);

-- name: events
select mission_id, seq, content, prev_hash, hash, created_at, running from (
  select e.*, w.nth, sum(length(e.content)) over (order by w.nth, e.seq) as running
  from unnest(%(missions)s::text[], %(after)s::bigint[]) with ordinality as w (mission_id, after, nth)
  cross join lateral (
    select mission_id, seq, content, prev_hash, hash, created_at from colony_events
    where mission_id = w.mission_id and seq > w.after order by seq limit %(most)s) as e
) as found
where running - length(content) < %(room)s
order by nth, seq;

-- name: settle
select colony_settle_outbox(%(channel)s, %(relay)s, %(missions)s, %(upto)s, %(since)s, %(tried)s, %(delay_ms)s) as mission_id;

-- name: bury
select colony_bury_event(%(channel)s, %(relay)s, %(mission_id)s, %(seq)s, %(event_id)s, %(event_type)s, %(tried)s, %(reason)s);

-- name: revive
select colony_revive_outbox(%(channel)s, %(mission_id)s) as mission_id;

-- name: close
select colony_close_channel(%(channel)s) as closed;

-- name: backlog
select channel, filled, missions, events, oldest_ms, retrying, dead from colony_backlog();

-- name: dead_letters
select channel, mission_id, tenant_id, seq, event_id, event_type, attempts, reason, created_at
from colony_dead_letters_of(%(most)s);

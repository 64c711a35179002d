-- Backup, restore and prune. Run as an administrator who takes on one of the roles.
-- name: services
select count(*)::int as count from pg_stat_activity
where datname = current_database() and application_name like 'colony %' and application_name <> 'colony maintenance'
  and pid <> pg_backend_pid();

-- name: drop
drop schema if exists root, queue, public, colony_restoring cascade; create schema public; create schema colony_restoring;

-- name: restoring
select obj_description(oid, 'pg_namespace') as sha256 from pg_namespace where nspname = 'colony_restoring';

-- name: unguard
-- Row-level security is forced on the owner, too, and the guard lets an epoch rise by one only.
alter table colony_missions no force row level security, disable trigger guard;
alter table colony_leases no force row level security;

-- name: outdate
-- A process of the time before the restore must not hold an epoch that is given out again; nor must one of the time
-- after an earlier restore of the same backup: so the clock (ms) is in it.
update colony_missions set epoch = greatest(epoch + 1000000, (extract(epoch from clock_timestamp()) * 1000)::bigint);

-- name: unlease
delete from colony_leases;

-- name: guard
alter table colony_missions force row level security, enable trigger guard;
alter table colony_leases force row level security;

-- name: restored
drop schema if exists colony_restoring;

-- name: hold
insert into colony_restores (backup_sha256) values (%(sha256)s);

-- name: statuses
select status, count(*) from colony_missions group by status;

-- name: release
update colony_restores set reconciled_at = clock_timestamp(), report = %(report)s where reconciled_at is null
returning restore_id;

-- name: open_writebacks
-- What may have been written after the backup was taken: asked, granted or begun, and not known to be over.
select m.mission_id, m.tenant_id, 'pending' as state, 'colony_approvals' as held_in, a.interrupt_id,
  null as proposal_id, null as payload_sha256, a.content
from colony_approvals a join colony_missions m using (mission_id)
where a.status = 'pending' and m.status = 'awaiting_approval'
union all
select m.mission_id, m.tenant_id, coalesce(w.status, 'granted'), 'colony_approval_grants', null,
  g.proposal_id, g.payload_sha256, g.content
from colony_approval_grants g join colony_missions m using (mission_id)
left join colony_writebacks w using (mission_id, proposal_id, payload_sha256)
where m.status in ('running', 'failed', 'awaiting_approval') and coalesce(w.status, 'granted') in ('granted', 'intended')
order by 1;

-- name: unresolved_writebacks
-- A failed or expired mission can be retried, which sends what was not done.
select m.mission_id, m.tenant_id, w.status as state, w.proposal_id, w.payload_sha256, w.payload,
  m.status not in ('failed', 'expired') and w.updated_at < clock_timestamp() - interval '1 minute' as over
from colony_writebacks w join colony_missions m using (mission_id)
where w.status in ('intended', 'unknown') and m.status not in ('received', 'running', 'awaiting_approval')
order by 1, w.proposal_id;

-- name: prunable
select mission_id from colony_missions
where pruned_at is null and status in ('completed', 'blocked', 'rejected', 'cancelled')
  and updated_at < clock_timestamp() - %(days)s * interval '1 day'
order by updated_at limit %(most)s;

-- name: prunable_count
select count(*) as missions,
  (select count(*) from colony_submissions where created_at < clock_timestamp() - %(days)s * interval '1 day') as keys
from colony_missions
where pruned_at is null and status in ('completed', 'blocked', 'rejected', 'cancelled')
  and updated_at < clock_timestamp() - %(days)s * interval '1 day';

-- name: prune_lock
select tenant_id, epoch::text from colony_missions
where mission_id = %(mission_id)s and pruned_at is null and status in ('completed', 'blocked', 'rejected', 'cancelled')
for update;

-- name: prune_writes
delete from checkpoint_writes where thread_id = %(mission_id)s;

-- name: prune_blobs
delete from checkpoint_blobs where thread_id = %(mission_id)s;

-- name: prune_checkpoints
delete from checkpoints where thread_id = %(mission_id)s;

-- name: prune_model_calls
update colony_model_calls
set response_sha256 = coalesce(response_sha256, encode(sha256(response), 'hex')), request = '', response = ''
where mission_id = %(mission_id)s and request <> '';

-- name: prune_tool_calls
update colony_tool_calls
set response_sha256 = coalesce(response_sha256, encode(sha256(response), 'hex')), response = null
where mission_id = %(mission_id)s and response is not null;

-- name: prune_named
select request_sha256 as sha256 from colony_recordings where mission_id = %(mission_id)s
union
select answer_sha256 from colony_recordings where mission_id = %(mission_id)s and answer_sha256 is not null;

-- name: prune_recordings
delete from colony_recordings where mission_id = %(mission_id)s;

-- name: prune_hold
-- Whoever is about to name a text that is there already has this table open: their unit ends first, or begins after.
lock table colony_recorded in share row exclusive mode;

-- name: prune_recorded
delete from colony_recorded t where t.tenant_id = %(tenant_id)s and t.sha256 = any(%(names)s) and not exists (
  select from colony_recordings r where r.tenant_id = t.tenant_id and r.request_sha256 = t.sha256
) and not exists (
  select from colony_recordings r where r.tenant_id = t.tenant_id and r.answer_sha256 = t.sha256
);

-- name: prune_mark
update colony_missions set pruned_at = clock_timestamp(), step_key = null, step_update = null
where mission_id = %(mission_id)s;

-- name: prune_keys
delete from colony_submissions s using colony_missions m
where m.mission_id = s.mission_id and m.pruned_at is not null
  and s.created_at < clock_timestamp() - %(days)s * interval '1 day';

-- name: active_rules
select distinct on (a.tenant_id) a.tenant_id, a.version, s.content from colony_rule_activations a
left join colony_rule_sets s on s.tenant_id = a.tenant_id and s.version = a.version
order by a.tenant_id, a.number desc;

-- name: standstill
select colony_on_hold() as on_hold,
       (select to_jsonb(h) from colony_halts h where h.lifted_at is null order by h.tenant_id limit 1) as halt, m.*, a.*, w.*
from (
  select count(*) filter (where waits) as runnable,
         coalesce(extract(epoch from clock_timestamp() - min(updated_at) filter (where waits)), 0)::bigint as runnable_age_s,
         count(*) filter (where status = 'failed' and recent) as failed,
         count(*) filter (where status = 'failed' and code = 'quarantined') as quarantined
  from (
    select m.status, m.updated_at, m.payload -> 'failure' ->> 'code' as code,
           m.updated_at > clock_timestamp() - interval '1 day' as recent,
           m.status in ('received', 'running') and (l.lease_until is null or l.lease_until < clock_timestamp()) as waits
    from colony_missions m left join colony_leases l using (mission_id)
    where m.status in ('received', 'running', 'failed')
  ) as seen
) as m, (
  select count(*) as pending, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::bigint as pending_age_s
  from colony_approvals where status = 'pending'
) as a, (
  select count(*) as unknown from colony_writebacks w join colony_missions m using (mission_id)
  where w.status = 'unknown'
     or w.status = 'intended' and m.status not in ('received', 'running', 'awaiting_approval')
) as w;

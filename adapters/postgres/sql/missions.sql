-- name: scope_epoch
select set_config('colony.epoch', %(epoch)s, true);

-- name: reserve
insert into colony_submissions (idempotency_key, request_sha256, mission_id)
values (%(key)s, %(request_sha256)s, %(mission_id)s)
on conflict (tenant_id, idempotency_key) do nothing
returning mission_id;

-- name: reserved
select mission_id, request_sha256 from colony_submissions where idempotency_key = %(key)s;

-- name: insert
insert into colony_missions (mission_id, actor_id, mission_type, status, stage, payload, graph_version, trace_id,
  parent_mission_id, parent_checkpoint_id, lineage_kind)
values (%(mission_id)s, %(actor_id)s, %(mission_type)s, 'received', 'admission', %(payload)s, %(graph_version)s,
  %(trace_id)s, %(parent)s, %(checkpoint)s, %(kind)s);

-- name: lock
select m.*, b.token_budget, b.time_budget_ms from colony_missions m join colony_budgets b using (mission_id)
where m.mission_id = %(mission_id)s for update of m;

-- name: take_over
update colony_missions set epoch = epoch + 1, deaths = 0, updated_at = now() where mission_id = %(mission_id)s
returning epoch, pg_notify('colony_taken', mission_id);

-- name: evict
delete from colony_leases where mission_id = %(mission_id)s;

-- name: writing
select exists (select from colony_writebacks where mission_id = %(mission_id)s) as writing;

-- name: ending
select seq, event_type, content, actor_id, (
  select coalesce(jsonb_object_agg(status, n), '{}')
  from (select status, count(*) as n from colony_writebacks where mission_id = %(mission_id)s group by status) as counted
) as effects
from colony_events where mission_id = %(mission_id)s and event_type <> 'approval.refused' order by seq desc limit 1;

-- name: pending
select interrupt_id, status, content, sha256, expires_at, created_at, escalated_at is not null as escalated,
       expires_at <= clock_timestamp() as overdue
from colony_approvals where mission_id = %(mission_id)s and status = 'pending';

-- name: answers
select number, content, sha256 from colony_approval_answers
where mission_id = %(mission_id)s and interrupt_id = %(interrupt_id)s order by number;

-- name: give
insert into colony_approval_answers (mission_id, interrupt_id, number, actor_id, on_behalf_of, payload, content, sha256)
values (%(mission_id)s, %(interrupt_id)s, %(number)s, %(actor)s, %(on_behalf_of)s, %(payload)s, %(content)s, %(sha256)s);

-- name: escalate
update colony_approvals set escalated_at = clock_timestamp(), updated_at = now(), epoch = colony_epoch()
where mission_id = %(mission_id)s and interrupt_id = %(interrupt_id)s and status = 'pending' and escalated_at is null
returning interrupt_id;

-- name: refusals
select seq, content, actor_id from colony_events where mission_id = %(mission_id)s and event_type = 'approval.refused';

-- name: asked
select true as asked from colony_approvals where mission_id = %(mission_id)s and interrupt_id = %(interrupt_id)s;

-- name: decided
select artifact_id, revision, task_key, content, sha256 from colony_policy_decisions
where mission_id = %(mission_id)s and layer = 'release';

-- name: delegators
select actor_id from colony_lent
where revoked_at is null and expires_at > clock_timestamp() and actor_id <> %(actor)s
  and (to_actor = %(actor)s or to_role = any(%(roles)s))
group by actor_id order by max(expires_at) desc, actor_id limit 50;


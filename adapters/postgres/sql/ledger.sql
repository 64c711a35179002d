-- name: results
select artifact_id, task_key, content, sha256 from colony_worker_results where mission_id = %(mission_id)s and revision = %(revision)s;

-- name: decision
select decision_content from colony_approvals
where mission_id = %(mission_id)s and interrupt_id = %(interrupt_id)s and status = 'decided';

-- name: grants
select proposal_id, payload_sha256, content, sha256 from colony_approval_grants where mission_id = %(mission_id)s order by proposal_id;

-- name: granted
select g.interrupt_id, g.actor_id, g.created_at, w.proposal_id is not null as intended
from colony_approval_grants g left join colony_writebacks w using (mission_id, proposal_id, payload_sha256)
where g.mission_id = %(mission_id)s and g.proposal_id = %(proposal_id)s and g.payload_sha256 = %(payload_sha256)s;

-- name: signals
select mission_id, signal_id, payload, created_at from colony_pheromone_signals
where mission_type = %(mission_type)s and created_at > now() - interval '30 days'
order by created_at desc limit 500;

-- name: passes
select artifact_id, task_key, content, sha256, revision from colony_librarian_passes where mission_id = %(mission_id)s
order by revision, created_at;

-- name: seals
select pass_id, task_key, revision, epoch, expires_at, signature from colony_pass_seals
where mission_id = %(mission_id)s order by epoch;

-- name: calls_made
select call_id, task_key, tool, arguments from colony_tool_calls
where mission_id = %(mission_id)s and status = 'ok' and epoch > coalesce(
  (select max(epoch) from colony_events where mission_id = %(mission_id)s and event_type = 'mission.retried'), -1);

-- name: mission
select m.*, b.token_budget, b.time_budget_ms, b.tokens_in, b.tokens_out, b.cost_usd, b.model_calls
from colony_missions m join colony_budgets b using (mission_id) where m.mission_id = %(mission_id)s;

-- name: missions
select m.*, b.token_budget, b.time_budget_ms, b.tokens_in, b.tokens_out, b.cost_usd, b.model_calls
from colony_missions m join colony_budgets b using (mission_id)
where (%(status)s::text is null or m.status = %(status)s)
  and (%(mission_type)s::text is null or m.mission_type = %(mission_type)s)
  and (%(before)s::timestamptz is null or (m.created_at, m.mission_id) < (%(before)s, %(before_id)s::text))
order by m.created_at desc, m.mission_id desc
limit %(limit)s;

-- name: artifacts
select kind, artifact_id, revision, task_key, status, payload, content, sha256, created_at from colony_artifacts
where mission_id = %(mission_id)s and (%(kind)s::text is null or kind = %(kind)s)
order by created_at, kind, revision, task_key, artifact_id;

-- name: newest
select kind, artifact_id, task_key, payload, content, sha256, revision from colony_artifacts
where mission_id = %(mission_id)s and kind = any(%(kinds)s) order by revision desc, created_at desc;

-- name: events
select seq, content, prev_hash, hash from colony_events
where mission_id = %(mission_id)s and seq > %(after)s and (%(kind)s::text is null or event_type = %(kind)s)
order by seq limit %(limit)s;

-- name: approvals
select a.mission_id, a.interrupt_id, a.status, a.payload, a.content, a.sha256, a.decision, a.decision_content,
       a.decided_by, a.decided_at, a.expires_at, a.created_at, a.actor_id, a.escalate_at, a.escalated_at,
       array(select s.number from colony_approval_answers s where s.mission_id = a.mission_id
             and s.interrupt_id = a.interrupt_id order by s.number) as numbers,
       array(select s.content from colony_approval_answers s where s.mission_id = a.mission_id
             and s.interrupt_id = a.interrupt_id order by s.number) as answers,
       array(select s.created_at from colony_approval_answers s where s.mission_id = a.mission_id
             and s.interrupt_id = a.interrupt_id order by s.number) as answered_at,
       m.mission_type, m.payload as mission_payload,
       (extract(epoch from clock_timestamp() - a.created_at) * 1000)::bigint as age_ms
from colony_approvals a join colony_missions m using (mission_id)
where (%(mission_id)s::text is null or a.mission_id = %(mission_id)s)
  and (%(status)s::text is null or a.status = %(status)s)
order by a.created_at, a.interrupt_id;

-- name: sources
select distinct on (mission_id, artifact_id) mission_id, artifact_id, revision, task_key, content
from colony_research_artifacts where mission_id = any(%(missions)s) and artifact_id = any(%(ids)s);

-- name: writebacks
select proposal_id, payload_sha256, status, payload, outcome, idempotency_key, created_at, updated_at from colony_writebacks
where mission_id = %(mission_id)s order by created_at, proposal_id;

-- name: fold_metrics
select colony_fold_metrics(50000);

-- name: metric_series
select name, labels, le, count, sum from colony_metric_series();

-- name: metric_gauges
select name, labels, value from colony_metric_gauges()
union all
select 'colony_writebacks_unresolved', '{}', colony_writebacks_unresolved()
union all
select 'colony_halts_in_force', '{}', colony_halts_in_force();

-- name: ping
select 1 as up;

-- name: snapshot
set transaction isolation level repeatable read, read only;

-- name: bundle_artifacts
select kind, artifact_id, revision, task_key, content, sha256 from colony_artifacts
where mission_id = %(mission_id)s and kind <> 'writeback'
union all
select 'plan', artifact_id, revision, task_key, content, sha256 from colony_plans where mission_id = %(mission_id)s
order by kind, revision, task_key, artifact_id;

-- name: bundle_roots
-- A root from before the database was encrypted knows the rows as they were then.
select l.number, r.content as root, r.signature, r.public_key, l.content as leaf, l.proof, l.rows
from colony_audit_leaves l join colony_audit_roots r using (number)
where l.mission_id = %(mission_id)s and not exists (
  select from colony_encryption e where (convert_from(r.content, 'UTF8')::json ->> 'at')::timestamptz < e.since)
order by l.number;

-- name: rule_texts
select rules_sha256, content from colony_rule_texts where rules_sha256 = any(%(hashes)s) order by 1;

-- name: bundle_grants
select proposal_id, payload_sha256, interrupt_id, actor_id, content, sha256, created_at from colony_approval_grants
where mission_id = %(mission_id)s order by proposal_id, payload_sha256;

-- name: bundle_model_calls
select call_id, task_key, revision, status, tier, provider, model, request_sha256,
       coalesce(response_sha256, encode(sha256(response), 'hex')) as response_sha256, tokens_in, tokens_out, usage_source, cost_usd, duration_ms,
       reason, created_at
from colony_model_calls where mission_id = %(mission_id)s order by created_at, call_id;

-- name: bundle_tool_calls
select call_id, task_key, revision, status, tool, arguments, reason, coalesce(response_sha256, encode(sha256(response), 'hex')) as response_sha256,
       created_at
from colony_tool_calls where mission_id = %(mission_id)s order by created_at, call_id;

-- name: bundle_constitutions
select sha256, version, content, signature, key_id from colony_constitution_versions(%(wanted)s);

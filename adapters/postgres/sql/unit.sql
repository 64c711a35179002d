-- name: head
select seq, head from colony_missions where mission_id = %(mission_id)s and epoch = %(epoch)s for no key update;

-- name: advance
update colony_missions set seq = %(seq)s, head = %(head)s, updated_at = now()
where mission_id = %(mission_id)s and epoch = %(epoch)s and seq = %(was)s;

-- name: event
insert into colony_events (mission_id, seq, event_id, event_type, actor_id, payload, content, prev_hash, hash, created_at)
values (%(mission_id)s, %(seq)s, %(event_id)s, %(event_type)s, %(actor)s, %(payload)s, %(content)s, %(prev_hash)s,
        %(hash)s, %(created_at)s);

-- name: ring
select pg_notify('colony_events', %(mission_id)s);

-- name: enter
update colony_missions
set stage = %(stage)s, step_key = %(step_key)s, step_update = %(step_update)s, updated_at = now(),
    -- The same step again is no progress.
    deaths = case when step_key is distinct from %(step_key)s then 0 else deaths end
where mission_id = %(mission_id)s and epoch = %(epoch)s;

-- name: move
update colony_missions
set status = %(to)s, updated_at = now(),
    payload = case when %(failure)s::jsonb is null then payload - 'failure'
                   else payload || jsonb_build_object('failure', %(failure)s::jsonb) end
where mission_id = %(mission_id)s and epoch = %(epoch)s and status = any(%(was)s)
returning status;

-- name: admit
update colony_missions set payload = payload || jsonb_build_object('envelope', %(envelope)s::jsonb), updated_at = now()
where mission_id = %(mission_id)s and epoch = %(epoch)s;

-- name: open_budget
insert into colony_budgets (mission_id, token_budget, time_budget_ms) values (%(mission_id)s, %(tokens)s, %(time_ms)s)
on conflict (mission_id) do nothing;

-- name: charge
update colony_budgets
set tokens_in = tokens_in + %(tokens_in)s, tokens_out = tokens_out + %(tokens_out)s, cost_usd = cost_usd + %(cost_usd)s,
    model_calls = model_calls + %(calls)s, updated_at = now()
where mission_id = %(mission_id)s;

-- name: hold
update colony_budgets set tokens_reserved = %(tokens)s, updated_at = now() where mission_id = %(mission_id)s;

-- name: model_call
insert into colony_model_calls (call_id, mission_id, actor_id, task_key, revision, status, tier, provider, model,
  request_sha256, response_sha256, request, response, tokens_in, tokens_out, usage_source, cost_usd, duration_ms, reason)
values (%(call_id)s, %(mission_id)s, %(actor)s, %(task_key)s, %(revision)s, %(status)s, %(tier)s, %(provider)s, %(model)s,
  %(request_sha256)s, %(response_sha256)s, '', '', %(tokens_in)s, %(tokens_out)s, %(usage_source)s, %(cost_usd)s,
  %(duration_ms)s, %(reason)s)
on conflict do nothing;

-- name: tool_call
insert into colony_tool_calls (call_id, mission_id, actor_id, task_key, revision, status, tool, arguments,
  response_sha256, reason)
values (%(call_id)s, %(mission_id)s, %(actor)s, %(task_key)s, %(revision)s, %(status)s, %(tool)s, %(arguments)s,
  %(response_sha256)s, %(reason)s)
on conflict do nothing;

-- name: recorded
insert into colony_recorded (sha256, content) values (%(sha256)s, %(content)s) on conflict do nothing;

-- name: tape
insert into colony_recordings (mission_id, stage, revision, task_key, channel, request_sha256, answer_sha256)
values (%(mission_id)s, %(stage)s, %(revision)s, %(task_key)s, %(channel)s, %(request_sha256)s, %(answer_sha256)s);

-- name: seal
insert into colony_pass_seals (mission_id, pass_id, task_key, revision, epoch, actor_id, expires_at, signature)
values (%(mission_id)s, %(pass_id)s, %(task_key)s, %(revision)s, %(epoch)s, %(actor)s, %(expires_at)s, %(signature)s)
on conflict do nothing;

-- name: mark_tasks
with progress as (
  update colony_missions set deaths = 0
  where mission_id = %(mission_id)s and epoch = %(epoch)s and deaths > 0 and %(status)s = 'completed'
)
update colony_tasks set status = %(status)s, updated_at = now()
where mission_id = %(mission_id)s and task_key = any(%(task_keys)s);

-- name: copy_results
insert into colony_worker_results (artifact_id, mission_id, revision, actor_id, task_key, status, payload, content, sha256)
select artifact_id, mission_id, %(to)s, actor_id, task_key, status, payload, content, sha256
from colony_worker_results
where mission_id = %(mission_id)s and revision = %(was)s and not task_key = any(%(again)s)
on conflict do nothing;

-- name: ask_person
with put as (
  insert into colony_approvals (mission_id, interrupt_id, actor_id, status, payload, content, sha256, expires_at,
    escalate_at)
  values (%(mission_id)s, %(interrupt_id)s, %(actor)s, 'pending', %(payload)s, %(content)s, %(sha256)s,
        clock_timestamp() + %(timeout_ms)s * interval '1 millisecond',
        clock_timestamp() + %(escalate_ms)s * interval '1 millisecond')
  on conflict (mission_id, interrupt_id) do nothing
  returning expires_at
)
select expires_at from put
union all
select expires_at from colony_approvals where mission_id = %(mission_id)s and interrupt_id = %(interrupt_id)s
limit 1;

-- name: decide
update colony_approvals
set status = 'decided', decision = %(decision)s, decision_content = %(decision_content)s, decided_by = %(actor)s,
    decided_at = clock_timestamp(), updated_at = now(), epoch = colony_epoch()
where mission_id = %(mission_id)s and interrupt_id = %(interrupt_id)s and status = 'pending'
returning interrupt_id;

-- name: close_approval
update colony_approvals set status = %(status)s, updated_at = now(), epoch = colony_epoch()
where mission_id = %(mission_id)s and status = 'pending';

-- name: reopen_approval
update colony_approvals
set status = 'pending', expires_at = clock_timestamp() + %(timeout_ms)s * interval '1 millisecond', updated_at = now(),
    escalate_at = clock_timestamp() + %(escalate_ms)s * interval '1 millisecond', escalated_at = null,
    epoch = colony_epoch()
where mission_id = %(mission_id)s and status in ('expired', 'cancelled')
returning interrupt_id, content, sha256, expires_at;

-- name: grant
insert into colony_approval_grants (mission_id, proposal_id, payload_sha256, interrupt_id, actor_id, payload, content, sha256)
values (%(mission_id)s, %(proposal_id)s, %(payload_sha256)s, %(interrupt_id)s, %(actor)s, %(payload)s, %(content)s, %(sha256)s);

-- name: intend
insert into colony_writebacks (mission_id, proposal_id, payload_sha256, actor_id, status, idempotency_key, payload)
values (%(mission_id)s, %(proposal_id)s, %(payload_sha256)s, %(actor)s, 'intended', %(idempotency_key)s, %(payload)s)
on conflict (mission_id, proposal_id, payload_sha256) do nothing
returning status;

-- name: effect
select status, outcome from colony_writebacks
where mission_id = %(mission_id)s and proposal_id = %(proposal_id)s and payload_sha256 = %(payload_sha256)s;

-- name: under_way
select proposal_id, payload_sha256, payload from colony_writebacks
where mission_id = %(mission_id)s and status = 'intended' for update;

-- name: settle
update colony_writebacks set status = %(status)s, outcome = %(outcome)s, updated_at = now(), epoch = colony_epoch()
where mission_id = %(mission_id)s and proposal_id = %(proposal_id)s and payload_sha256 = %(payload_sha256)s
  and status in ('intended', 'unknown')
returning status;

-- name: leave
insert into colony_pheromone_signals (signal_id, mission_id, actor_id, status, mission_type, source, strength,
  half_life_ms, payload)
values (%(signal_id)s, %(mission_id)s, %(actor)s, %(kind)s, %(mission_type)s, %(source)s, %(strength)s, %(half_life_ms)s,
  %(payload)s)
on conflict do nothing;

-- name: release_lease
delete from colony_leases where mission_id = %(mission_id)s and epoch = %(epoch)s;

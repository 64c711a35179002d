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
  %(trace_id)s, null, null, null);

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
select event_type, payload, actor_id, (
  select coalesce(jsonb_object_agg(status, n), '{}')
  from (select status, count(*) as n from colony_writebacks where mission_id = %(mission_id)s group by status) as counted
) as effects
from colony_events where mission_id = %(mission_id)s order by seq desc limit 1;

-- name: pending
select interrupt_id, status, content, sha256, expires_at, created_at from colony_approvals
where mission_id = %(mission_id)s and status = 'pending';

-- name: lock
select from colony_missions where mission_id = %(mission_id)s for update;

-- name: read
select m.*, b.token_budget, b.time_budget_ms, b.tokens_in, b.tokens_out, b.tokens_reserved, b.time_spent_ms,
       nullif(l.lease_until, '-infinity') > clock_timestamp() as leased
from colony_missions m
join colony_budgets b using (mission_id)
left join colony_leases l using (mission_id)
where m.mission_id = %(mission_id)s and not colony_on_hold() and not colony_halted(m.tenant_id);

-- name: take
update colony_missions
set epoch = epoch + 1, status = 'running', attempts = attempts + 1, deaths = %(deaths)s, updated_at = now()
where mission_id = %(mission_id)s and epoch = %(was)s
returning epoch;

-- name: lease
insert into colony_leases (mission_id, worker_id, epoch, lease_until)
values (%(mission_id)s, %(worker_id)s, %(epoch)s, clock_timestamp() + %(lease_ms)s * interval '1 millisecond')
on conflict (mission_id) do update
set worker_id = excluded.worker_id, epoch = excluded.epoch, lease_until = excluded.lease_until;

-- name: renew
select colony_renew as mission_id from colony_renew(%(worker_id)s, %(missions)s, %(epochs)s, %(lease_ms)s);

-- name: let_go
select colony_let_go(%(worker_id)s, %(missions)s, %(epochs)s);

-- name: runnable
select mission_id, tenant_id from colony_runnable(%(most)s, %(version)s);

-- name: overdue
select mission_id, tenant_id, interrupt_id from colony_overdue_approvals(%(most)s, %(version)s, %(but)s);

-- name: to_escalate
select mission_id, tenant_id, interrupt_id from colony_due_escalations(%(most)s, %(version)s, %(but)s);

-- name: fold_metrics
select colony_fold_metrics(50000);

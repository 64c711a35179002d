-- name: halt
insert into colony_halts (actor_id, reason) values (%(actor_id)s, %(reason)s)
returning halt_id, tenant_id, actor_id, reason, created_at, lifted_at, lifted_by;

-- name: halt_as_administrator
insert into colony_halts (tenant_id, actor_id, reason) values (%(tenant_id)s, %(actor_id)s, %(reason)s)
returning halt_id, tenant_id, actor_id, reason, created_at, lifted_at, lifted_by;

-- name: lift
update colony_halts set lifted_at = clock_timestamp(), lifted_by = %(actor_id)s
where lifted_at is null and tenant_id = %(tenant_id)s
returning halt_id, tenant_id, actor_id, reason, created_at, lifted_at, lifted_by;

-- name: list
select halt_id, tenant_id, actor_id, reason, created_at, lifted_at, lifted_by from colony_halts
where %(all)s or tenant_id in (%(tenant_id)s, '*')
order by lifted_at is not null, halt_id desc limit 200;

-- name: halted
select colony_halted(%(tenant_id)s) as halted;

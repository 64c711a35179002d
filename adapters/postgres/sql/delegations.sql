-- name: lend
insert into colony_delegations (delegation_id, actor_id, to_actor, to_role, reason, made_with, expires_at)
values (%(delegation_id)s, %(actor_id)s, %(to_actor)s, %(to_role)s, %(reason)s, %(made_with)s,
        clock_timestamp() + %(duration_ms)s * interval '1 millisecond');

-- name: one
select * from colony_lent where delegation_id = %(delegation_id)s;

-- name: lends_to
select from colony_lent
where revoked_at is null and expires_at > clock_timestamp() and actor_id <> %(actor)s
  and (to_actor = %(actor)s or to_role = any(%(roles)s)) limit 1;

-- name: lent
select * from colony_lent order by created_at desc, delegation_id limit %(limit)s;

-- name: take_back
update colony_delegations
set revoked_at = coalesce(revoked_at, clock_timestamp()), revoked_by = coalesce(revoked_by, %(by)s)
where delegation_id = %(delegation_id)s and (actor_id = %(by)s or %(anyones)s);

-- name: look_up
select key_id, tenant_id, actor_id, capabilities from colony_look_up_key(%(key_id)s, %(digest)s);

-- name: create
-- A key made with a key does not outlive it.
insert into colony_api_keys (key_id, name, actor_id, capabilities, secret_sha256, made_by, made_with, expires_at)
values (%(key_id)s, %(name)s, %(actor_id)s, %(capabilities)s, %(digest)s, %(made_by)s, %(made_with)s,
  least(%(expires_at)s::timestamptz, (select expires_at from colony_api_keys where key_id = %(made_with)s)))
returning key_id, name, actor_id, capabilities, made_by, created_at, expires_at, revoked_at, last_used_at;

-- name: list
select key_id, name, actor_id, capabilities, made_by, created_at, expires_at, revoked_at, last_used_at
from colony_api_keys order by created_at desc, key_id;

-- name: revoke
-- With all that were made with it: whoever had it may have made them.
with recursive gone as (
  select key_id from colony_api_keys where key_id = %(key_id)s
  union select k.key_id from colony_api_keys k join gone on k.made_with = gone.key_id
), revoked as (
  update colony_api_keys k set revoked_at = clock_timestamp(), revoked_by = %(revoked_by)s
  from gone where k.key_id = gone.key_id and k.revoked_at is null
)
select key_id from gone;

-- name: active
select a.version, s.sha256, case when s.sha256 = any(%(known)s) then null else s.content end as content
from colony_rule_activations a left join colony_rule_sets s on s.tenant_id = a.tenant_id and s.version = a.version
where a.number = (select max(number) from colony_rule_activations);

-- name: keep
insert into colony_rule_texts (rules_sha256, content) values (%(rules_sha256)s, %(content)s) on conflict do nothing;

-- name: kept
select content from colony_rule_texts where rules_sha256 = %(rules_sha256)s;

-- name: put
-- The newest once more is no new version.
with newest as (select version, sha256 from colony_rule_sets order by version desc limit 1), made as (
  insert into colony_rule_sets (version, sha256, content, note, actor_id)
  select coalesce((select version from newest), 0) + 1, %(sha256)s, %(content)s, %(note)s, %(actor_id)s
  where not exists (select from newest where sha256 = %(sha256)s)
  on conflict do nothing returning version
)
select version, true as fresh from made
union all
select version, false from newest where sha256 = %(sha256)s;

-- name: sets
select version, sha256, note, actor_id, created_at, octet_length(content) as bytes from colony_rule_sets
order by version desc limit 200;

-- name: set
select version, sha256, content, note, actor_id, created_at from colony_rule_sets where version = %(version)s;

-- name: activate
insert into colony_rule_activations (number, version, rules_sha256, actor_id, reason)
select coalesce(max(number), 0) + 1, %(version)s::int, %(rules_sha256)s, %(actor_id)s, %(reason)s from colony_rule_activations
on conflict do nothing
returning number, version, rules_sha256, actor_id, reason, created_at;

-- name: activations
select number, version, rules_sha256, actor_id, reason, created_at from colony_rule_activations
order by number desc limit %(limit)s;

-- name: decision
select mission_id, artifact_id, revision, task_key, content, sha256, created_at from colony_policy_decisions
where artifact_id = %(decision_id)s order by created_at, mission_id, revision limit 50;

-- name: history
select mission_id, artifact_id, revision, task_key, content, sha256, created_at from colony_policy_decisions
where created_at >= %(since)s::timestamptz
  and (%(after)s::timestamptz is null
       or (created_at, mission_id, artifact_id, revision) > (%(after)s, %(mission_id)s::text, %(decision_id)s::text, %(revision)s::int))
order by created_at, mission_id, artifact_id, revision limit %(limit)s;

-- name: history_size
select count(*) as decisions from colony_policy_decisions where created_at >= %(since)s::timestamptz;

-- name: in_force
select sha256, version, content, signature, key_id, agreed, highest from colony_constitution_in_force();

-- name: versions
select sha256, version, previous_sha256, content, signature, key_id, created_at, activated_at, agreed, log
from colony_constitution_versions(%(hashes)s);

-- name: propose
select colony_propose_constitution(%(sha256)s, %(version)s, %(previous)s, %(content)s, %(signature)s, %(key_id)s,
  %(actor)s, %(reason)s) as became;

-- name: answer
select colony_answer_constitution(%(sha256)s, %(approves)s, %(people)s, %(actor)s, %(reason)s) as became;

-- name: found
select colony_found_constitution(%(sha256)s, %(version)s, %(content)s, %(signature)s, %(key_id)s) as founded;

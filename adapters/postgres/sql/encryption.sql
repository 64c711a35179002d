-- name: marker
select state, key_ids, since, made_by, mac from colony_encryption;

-- name: mark
insert into colony_encryption (state, key_ids, since, made_by, mac)
values (%(state)s, %(key_ids)s, %(since)s, %(made_by)s, %(mac)s)
on conflict (singleton) do update
set state = excluded.state, key_ids = excluded.key_ids, since = excluded.since, made_by = excluded.made_by, mac = excluded.mac;

-- name: missions
select exists (select from colony_missions) as some;

-- name: count
select (select count(*) from colony_missions) + (select count(*) from colony_threads where graph_id is not null) as count;

-- name: page
-- Missions, and threads of graphs that are not Colony's: what has checkpoints.
select mission_id from (
  select mission_id from colony_missions union all select thread_id from colony_threads where graph_id is not null
) as named where mission_id > %(after)s order by mission_id limit 200;

-- name: lock
select tenant_id, epoch::text as epoch from colony_missions where mission_id = %(mission_id)s for update;

-- name: lock_thread
select tenant_id, epoch::text as epoch from colony_threads where thread_id = %(mission_id)s for update;

-- name: hash_model_calls
-- What was written in plaintext is hashed while it can be read.
update colony_model_calls set response_sha256 = encode(sha256(response), 'hex')
where mission_id = %(mission_id)s and response_sha256 is null and substring(response from 1 for 3) <> %(mark)s;

-- name: hash_tool_calls
update colony_tool_calls set response_sha256 = encode(sha256(response), 'hex')
where mission_id = %(mission_id)s and response_sha256 is null and response is not null
  and substring(response from 1 for 3) <> %(mark)s;

-- name: texts
select tenant_id, sha256, content from colony_recorded where substring(content from 1 for 11) <> %(head)s
limit %(most)s for update;

-- name: put_text
update colony_recorded set content = %(content)s where tenant_id = %(tenant_id)s and sha256 = %(sha256)s;

-- name: checkpoints_left
(coalesce(left(checkpoint #>> '{channel_values,sealed}', 12), '') <> %(text)s
  or coalesce(left(metadata ->> 'sealed', 12), '') <> %(text)s)

-- name: blobs_left
blob is not null and substring(blob from 1 for 11) <> %(head)s

-- name: put_checkpoint
update checkpoints set checkpoint = %(checkpoint)s, metadata = %(metadata)s
where thread_id = %(thread_id)s and checkpoint_ns = %(checkpoint_ns)s and checkpoint_id = %(checkpoint_id)s;

-- name: blobs
select thread_id, checkpoint_ns, channel, version, type, blob, {kept} as kept from checkpoint_blobs
where thread_id = %(mission_id)s and blob is not null and substring(blob from 1 for 11) <> %(head)s;

-- name: put_blob
update checkpoint_blobs set blob = %(blob)s
where thread_id = %(thread_id)s and checkpoint_ns = %(checkpoint_ns)s and channel = %(channel)s and version = %(version)s;

-- name: writes
select thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob, {kept} as kept from checkpoint_writes
where thread_id = %(mission_id)s and substring(blob from 1 for 11) <> %(head)s;

-- name: put_write
update checkpoint_writes set blob = %(blob)s
where thread_id = %(thread_id)s and checkpoint_ns = %(checkpoint_ns)s and checkpoint_id = %(checkpoint_id)s
  and task_id = %(task_id)s and idx = %(idx)s;

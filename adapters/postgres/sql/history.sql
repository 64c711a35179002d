-- name: tape
select r.stage, r.revision, r.task_key, r.channel, r.request_sha256, r.answer_sha256, r.epoch, q.content as request,
       a.content as answer
from colony_recordings r
left join colony_recorded q on q.tenant_id = r.tenant_id and q.sha256 = r.request_sha256
left join colony_recorded a on a.tenant_id = r.tenant_id and a.sha256 = r.answer_sha256 and r.channel <> 'artifact'
where r.mission_id = %(mission_id)s order by r.position;

-- name: taped
select 1 as there from colony_recordings where mission_id = %(mission_id)s limit 1;

-- name: mission
select m.*, b.token_budget, b.time_budget_ms from colony_missions m join colony_budgets b using (mission_id)
where m.mission_id = %(mission_id)s;

-- name: report
select payload from colony_replay_reports where mission_id = %(mission_id)s;

-- name: keep_report
insert into colony_replay_reports (mission_id, identical, payload) values (%(mission_id)s, %(identical)s, %(payload)s)
on conflict do nothing;

-- name: unreported
select 1 as there from colony_missions m where m.mission_id = %(mission_id)s and m.lineage_kind = 'replay'
  and m.status = any(%(ended)s) and not exists (select from colony_replay_reports r where r.mission_id = m.mission_id);

-- name: all_events
select seq, content from colony_events where mission_id = %(mission_id)s order by seq;

-- name: family
with recursive up as (
  select mission_id, parent_mission_id, 0 as height from colony_missions where mission_id = %(mission_id)s
  union all
  select m.mission_id, m.parent_mission_id, up.height + 1 from up join colony_missions m on m.mission_id = up.parent_mission_id
  where up.height < 100
), first as (select mission_id from up order by height desc limit 1), down as (
  select m.mission_id, m.parent_mission_id, m.parent_checkpoint_id, m.lineage_kind, m.status, m.stage, m.created_at, 0 as depth
  from colony_missions m join first using (mission_id)
  union all
  select m.mission_id, m.parent_mission_id, m.parent_checkpoint_id, m.lineage_kind, m.status, m.stage, m.created_at, depth + 1
  from down join colony_missions m on m.parent_mission_id = down.mission_id where depth < 100
)
select * from down order by depth, created_at, mission_id limit 1000;

-- name: referred
select kind, artifact_id from (
  select kind, artifact_id, mission_id, revision from colony_artifacts where kind <> 'writeback'
  union all
  select 'plan', artifact_id, mission_id, revision from colony_plans
) a
where mission_id = %(mission_id)s and (artifact_id = any(%(ids)s)
  or (kind, revision) in (select * from unnest(%(kinds)s::text[], %(revisions)s::int[])));

-- name: contents
select kind, artifact_id, revision, task_key, content, sha256 from (
  select kind, artifact_id, mission_id, revision, task_key, content, sha256 from colony_artifacts where kind <> 'writeback'
  union all
  select 'plan', artifact_id, mission_id, revision, task_key, content, sha256 from colony_plans
) a
where mission_id = %(mission_id)s and artifact_id = any(%(ids)s) order by kind, revision, task_key, artifact_id;

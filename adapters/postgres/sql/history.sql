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

-- name: stages
select payload ->> 'stage' as stage, count(*)::int as times from colony_events
where mission_id = %(mission_id)s and event_type = 'stage.entered' group by 1;

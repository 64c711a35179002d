-- What the store can count about itself, for Prometheus. A count commits with what it counts: triggers add a delta beside
-- the fact, and deltas are folded into totals by whoever reads them. So a scrape costs the series there are and what is
-- new, however long the history; pruning the history takes nothing away; and no transaction waits for another's counter.
-- No label holds anything of a tenant's.
-- depends: 0005_model_calls
create table colony_metric_deltas (name text not null, labels jsonb not null, value numeric not null);

create table colony_metric_totals (
  name text not null,
  labels jsonb not null,
  le double precision not null,
  count bigint not null,
  sum numeric not null,
  primary key (name, labels, le)
);

-- Upper bounds of the histograms, in seconds; what has none is a counter.
create table colony_metric_bounds (name text not null, le double precision not null, primary key (name, le));
insert into colony_metric_bounds
select name, unnest(bounds) from (values
  ('colony_stage_duration_seconds', array[0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 'infinity']::double precision[]),
  ('colony_mission_queued_seconds', array[0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 'infinity']),
  ('colony_model_call_duration_seconds', array[0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 'infinity']),
  ('colony_approval_wait_seconds', array[60, 300, 900, 3600, 14400, 43200, 86400, 259200, 604800, 'infinity']::double precision[])
) as histogram(name, bounds);

-- Series that an alert looks at exist from the start: Prometheus takes no notice of the step to a series' first sample.
insert into colony_metric_totals
select 'colony_writebacks_total', jsonb_build_object('outcome', o), 'infinity'::double precision, 0, 0
from unnest(array['applied', 'conflicted', 'failed', 'unknown']) o
union all
select 'colony_missions_ended_total', jsonb_build_object('mission_type', t, 'status', s), 'infinity'::double precision, 0, 0
from unnest(array['crm_lead_intelligence', 'oracle_advisory', 'catalyst_strategy_brief']) t,
  unnest(array['completed', 'blocked', 'rejected', 'cancelled', 'expired', 'failed']) s;

alter table colony_missions add column stage_entered_at timestamptz not null default now();
create index on colony_outbox (created_at) where status = 'pending';

grant select, insert, delete on colony_metric_deltas to colony_system;
grant select, insert, update on colony_metric_totals to colony_system;
grant select on colony_metric_bounds, colony_outbox to colony_system;
create policy system on colony_outbox for select to colony_system using (true);
grant usage on schema queue to colony_system;
grant select (status) on queue.procrastinate_jobs to colony_system;

create function colony_seconds_since(moment timestamptz) returns numeric language sql volatile
as $$ select greatest(extract(epoch from clock_timestamp() - moment), 0) $$;

-- A stage lasts from its entry until the next one's or the mission's end; the wait for a worker or for a person is not its
-- own: where a mission starts to run, its clock starts anew.
create function colony_meter_mission() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  ended constant text[] := array['completed', 'blocked', 'rejected', 'cancelled', 'expired', 'failed'];
  last constant text[] := array['finalize', 'blocked', 'failed'];
  kind constant jsonb := jsonb_build_object('mission_type', new.mission_type);
begin
  if tg_op = 'INSERT' then
    insert into colony_metric_deltas values ('colony_missions_started_total', kind, 1);
    return new;
  end if;
  if new.status <> old.status and new.status = any(ended) then
    insert into colony_metric_deltas
    values ('colony_missions_ended_total', kind || jsonb_build_object('status', new.status), 1);
  end if;
  if old.status = 'received' and new.status = 'running' then
    insert into colony_metric_deltas
    values ('colony_mission_queued_seconds', kind, colony_seconds_since(old.stage_entered_at));
  end if;
  if old.status = 'running' and (new.stage <> old.stage and not old.stage = any(last)
                                 or new.status = any(ended) and old.stage = any(last)) then
    insert into colony_metric_deltas
    values ('colony_stage_duration_seconds', kind || jsonb_build_object('stage', old.stage),
            colony_seconds_since(old.stage_entered_at));
  end if;
  if new.stage <> old.stage or new.status = 'running' and old.status <> 'running' then
    new.stage_entered_at := clock_timestamp();
  end if;
  return new;
end $$;
create trigger meter_insert after insert on colony_missions for each row execute function colony_meter_mission();
create trigger meter before update on colony_missions for each row
  when (old.stage is distinct from new.stage or old.status is distinct from new.status)
  execute function colony_meter_mission();

create function colony_meter_model_call() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  model constant jsonb := jsonb_build_object('tier', new.tier, 'provider', new.provider, 'model', new.model);
begin
  insert into colony_metric_deltas values
    ('colony_model_calls_total', model || jsonb_build_object('status', new.status), 1),
    ('colony_model_tokens_total', model || '{"direction": "in"}', new.tokens_in),
    ('colony_model_tokens_total', model || '{"direction": "out"}', new.tokens_out),
    ('colony_model_cost_usd_total', model, new.cost_usd),
    ('colony_model_call_duration_seconds', model, new.duration_ms / 1000.0);
  if new.status = 'failed' then
    insert into colony_metric_deltas values
      ('colony_provider_failures_total',
       jsonb_build_object('provider', new.provider, 'model', new.model, 'code', coalesce(new.reason, 'unknown')), 1);
  end if;
  return null;
end $$;
create trigger meter after insert on colony_model_calls for each row execute function colony_meter_model_call();

-- The name of a tool that was refused may be anybody's invention: it is no label.
create function colony_meter_tool_call() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  tool constant text := case when new.status = 'refused' then '' else new.tool end;
begin
  insert into colony_metric_deltas
  values ('colony_tool_calls_total', jsonb_build_object('tool', tool, 'status', new.status), 1);
  if new.status = 'failed' then
    insert into colony_metric_deltas
    values ('colony_tool_failures_total', jsonb_build_object('tool', tool, 'code', coalesce(new.reason, 'unknown')), 1);
  end if;
  return null;
end $$;
create trigger meter after insert on colony_tool_calls for each row execute function colony_meter_tool_call();

create function colony_meter_decision() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into colony_metric_deltas
  values ('colony_policy_decisions_total', jsonb_build_object('layer', new.layer, 'outcome', new.outcome), 1);
  return null;
end $$;
create trigger meter after insert on colony_policy_decisions for each row execute function colony_meter_decision();

create function colony_meter_approval() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into colony_metric_deltas
  values ('colony_approval_wait_seconds',
          jsonb_build_object('outcome', coalesce(new.decision ->> 'verdict', new.status)),
          colony_seconds_since(new.created_at));
  return null;
end $$;
create trigger meter after update on colony_approvals for each row
  when (old.status = 'pending' and new.status <> 'pending') execute function colony_meter_approval();

create function colony_meter_writeback() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into colony_metric_deltas
  values ('colony_writebacks_total', jsonb_build_object('outcome', new.status), 1);
  return null;
end $$;
create trigger meter after update on colony_writebacks for each row
  when (old.status is distinct from new.status) execute function colony_meter_writeback();

-- Move what has been counted since into the totals; one at a time, the others go on with what there is.
create function colony_fold_metrics(most int) returns void language plpgsql volatile
security definer set search_path = public, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock(hashtext('colony metrics')) then
    return;
  end if;
  with folded as (
    delete from colony_metric_deltas where ctid = any(array(select d.ctid from colony_metric_deltas d limit most))
    returning name, labels, value
  )
  insert into colony_metric_totals as t (name, labels, le, count, sum)
  select f.name, f.labels, coalesce(b.le, 'infinity'), count(*), sum(f.value)
  from folded f left join lateral (
    select min(bound.le) as le from colony_metric_bounds bound where bound.name = f.name and bound.le >= f.value
  ) b on true
  group by 1, 2, 3
  on conflict (name, labels, le) do update set count = t.count + excluded.count, sum = t.sum + excluded.sum;
end $$;

-- Every counter and histogram: of a histogram one row for each bound, with what fell between it and the one below.
create function colony_metric_series() returns table (name text, labels jsonb, le double precision, count bigint, sum numeric)
language sql stable security definer set search_path = public, pg_temp as $$
  select s.name, s.labels, b.le, coalesce(t.count, 0), coalesce(t.sum, 0)
  from (select distinct name, labels from colony_metric_totals) s join colony_metric_bounds b using (name)
  left join colony_metric_totals t on t.name = s.name and t.labels = s.labels and t.le = b.le
  union all
  select t.name, t.labels, t.le, t.count, t.sum from colony_metric_totals t
  where not exists (select from colony_metric_bounds b where b.name = t.name)
  order by 1, 2, 3
$$;

-- How things stand at this moment. Each reads what is under way, never the history.
create function colony_metric_gauges() returns table (name text, labels jsonb, value double precision)
language sql stable security definer set search_path = public, pg_temp as $$
  with live as (
    select m.status, m.updated_at, l.mission_id is null or l.lease_until < clock_timestamp() as unheld
    from colony_missions m left join colony_leases l using (mission_id)
    where m.status in ('received', 'running', 'awaiting_approval')
  ), alone as (
    select count(*) as n, min(updated_at) as since from live where unheld and status <> 'awaiting_approval'
  ), pending as (
    select count(*) as n, min(created_at) as since from colony_approvals where status = 'pending'
  ), outbox as (
    select count(*) as n, min(created_at) as since from colony_outbox where status = 'pending'
  )
  select 'colony_missions', jsonb_build_object('status', s), (select count(*) from live where live.status = s)
    from unnest(array['received', 'running', 'awaiting_approval']) s
  union all select 'colony_missions_without_runner', '{}', n from alone
  union all select 'colony_missions_without_runner_age_seconds', '{}', coalesce(colony_seconds_since(since), 0) from alone
  union all select 'colony_leases_held', '{}', count(*) from colony_leases where lease_until >= clock_timestamp()
  union all select 'colony_queue_jobs', jsonb_build_object('status', s),
      (select count(*) from queue.procrastinate_jobs j where j.status::text = s) from unnest(array['todo', 'doing']) s
  union all select 'colony_approvals_pending', '{}', n from pending
  union all select 'colony_approvals_pending_age_seconds', '{}', coalesce(colony_seconds_since(since), 0) from pending
  union all select 'colony_outbox_pending', '{}', n from outbox
  union all select 'colony_outbox_pending_age_seconds', '{}', coalesce(colony_seconds_since(since), 0) from outbox
$$;

set local role colony_system;
drop function colony_counts();
set local role colony_owner;
grant create on schema public to colony_system;
alter function colony_meter_mission() owner to colony_system;
alter function colony_meter_model_call() owner to colony_system;
alter function colony_meter_tool_call() owner to colony_system;
alter function colony_meter_decision() owner to colony_system;
alter function colony_meter_approval() owner to colony_system;
alter function colony_meter_writeback() owner to colony_system;
alter function colony_fold_metrics(int) owner to colony_system;
alter function colony_metric_series() owner to colony_system;
alter function colony_metric_gauges() owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_meter_mission(), colony_meter_model_call(), colony_meter_tool_call(), colony_meter_decision(),
  colony_meter_approval(), colony_meter_writeback(), colony_fold_metrics(int), colony_metric_series(), colony_metric_gauges()
  from public;
grant execute on function colony_fold_metrics(int), colony_metric_series(), colony_metric_gauges() to colony_app;

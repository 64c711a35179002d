-- Deaths without progress are counted, what a live process gave up is handed back, and jobs go to tenants in turn.
-- depends: 0005_model_calls

-- How many processes in a row died with the mission in their hands, since its last finished step.
alter table colony_missions add column deaths int not null default 0 check (deaths >= 0);

-- A live process gives back what it can't go on with: nobody has to wait for the lease to lapse, and nobody died.
create policy system_let_go on colony_leases for delete to colony_system using (true);
grant delete on colony_leases to colony_system;
create function colony_let_go(worker text, missions text[], epochs bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
  delete from colony_leases l using unnest(missions, epochs) as held(mission_id, epoch)
  where l.mission_id = held.mission_id and l.epoch = held.epoch and l.worker_id = worker
$$;

-- A queued job is not looked at by whoever sweeps, so that a long backlog hides no orphan behind it.
grant usage on schema queue to colony_system;
grant select on queue.procrastinate_jobs to colony_system;
create index colony_jobs_of_a_mission on queue.procrastinate_jobs ((args ->> 'mission_id')) where queue_name = 'missions';
create index colony_jobs_of_a_tenant on queue.procrastinate_jobs ((args ->> 'tenant_id'), id)
  where status = 'todo' and queue_name = 'missions';
grant create on schema public to colony_system;
set local role colony_system;
create or replace function colony_runnable(most int)
  returns table (mission_id text, tenant_id text, graph_version text)
language sql stable security definer set search_path = public, pg_temp as $$
  select m.mission_id, m.tenant_id, m.graph_version from colony_missions m left join colony_leases l using (mission_id)
  where m.status in ('received', 'running') and (l.mission_id is null or l.lease_until < clock_timestamp())
    and m.updated_at < clock_timestamp() - interval '1 second'
    and not exists (
      select from queue.procrastinate_jobs j
      where j.queue_name = 'missions' and j.args ->> 'mission_id' = m.mission_id
        and (j.status = 'todo' or j.scheduled_at > clock_timestamp() - interval '5 seconds'))
  order by m.updated_at limit most
$$;
set local role colony_owner;
alter function colony_let_go(text, text[], bigint[]) owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_let_go(text, text[], bigint[]) from public;
grant execute on function colony_let_go(text, text[], bigint[]) to colony_app;

-- When each tenant was last served. One row a tenant, seen by the queue's role alone.
create sequence queue.turn_seq;
create table queue.turns (tenant text primary key, turn bigint not null) with (fillfactor = 50);
grant select, insert, update on queue.turns to colony_queue;
grant usage on sequence queue.turn_seq to colony_queue;
alter table queue.procrastinate_jobs set (autovacuum_vacuum_threshold = 200);
alter table queue.procrastinate_events set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 200);
-- The queue's triggers find their tables whoever writes, an operator by hand too.
do $$
declare
  f regprocedure;
begin
  for f in select p.oid from pg_proc p where p.pronamespace = 'queue'::regnamespace and p.prorettype = 'trigger'::regtype
  loop
    execute format('alter function %s set search_path = queue, pg_temp', f);
  end loop;
end $$;

-- Hand out one job: to the tenant that has the fewest missions in the asking process, and among those to the one that
-- was served longest ago. The last free place of a process goes to a tenant that has none there. A taken job is marked
-- with the moment (scheduled_at, which means nothing else once a job is taken) and deleted when its run ends.
create function queue.colony_next_job(tenants text[], running int[], last_place boolean)
  returns table (id bigint, mission_id text, tenant_id text)
language plpgsql set search_path = queue, pg_temp as $$
declare
  candidate record;
begin
  for candidate in
    with recursive waiting as (
      (select j.args ->> 'tenant_id' as tenant_id from procrastinate_jobs j
       where j.status = 'todo' and j.queue_name = 'missions' order by 1 limit 1)
      union all
      select (select j.args ->> 'tenant_id' from procrastinate_jobs j
              where j.status = 'todo' and j.queue_name = 'missions' and j.args ->> 'tenant_id' > w.tenant_id
              order by 1 limit 1)
      from waiting w where w.tenant_id is not null
    )
    select w.tenant_id from waiting w
    left join unnest(tenants, running) as here(tenant_id, running) using (tenant_id)
    left join turns t on t.tenant = w.tenant_id
    where w.tenant_id is not null and not (last_place and coalesce(here.running, 0) > 0)
    order by coalesce(here.running, 0), coalesce(t.turn, 0), w.tenant_id
  loop
    return query
      update procrastinate_jobs j set status = 'doing', scheduled_at = clock_timestamp()
      where j.id = (
        select n.id from procrastinate_jobs n
        where n.status = 'todo' and n.queue_name = 'missions' and n.args ->> 'tenant_id' = candidate.tenant_id
        order by n.id for update skip locked limit 1)
      returning j.id, j.args ->> 'mission_id', j.args ->> 'tenant_id';
    if found then
      insert into turns values (candidate.tenant_id, nextval('turn_seq'))
      on conflict on constraint turns_pkey do update set turn = excluded.turn;
      return;
    end if;
  end loop;
end $$;

-- Add a job for each mission that has none; returns those it was added for. One sweeper at a time, so none gets two.
create function queue.colony_requeue(missions text[], tenants text[]) returns setof text
language plpgsql set search_path = queue, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock(hashtext('colony requeue')) then
    return;
  end if;
  delete from procrastinate_jobs j where j.queue_name = 'missions' and j.status = 'doing'
    and j.scheduled_at < clock_timestamp() - interval '5 seconds';
  return query
    insert into procrastinate_jobs (queue_name, task_name, args)
    select 'missions', 'colony.run', jsonb_build_object('mission_id', found.mission_id, 'tenant_id', found.tenant_id)
    from unnest(missions, tenants) as found(mission_id, tenant_id)
    where not exists (select from procrastinate_jobs j
                      where j.queue_name = 'missions' and j.args ->> 'mission_id' = found.mission_id)
    returning args ->> 'mission_id';
end $$;
revoke all on function queue.colony_next_job(text[], int[], boolean), queue.colony_requeue(text[], text[]) from public;
grant execute on function queue.colony_next_job(text[], int[], boolean), queue.colony_requeue(text[], text[])
  to colony_queue;

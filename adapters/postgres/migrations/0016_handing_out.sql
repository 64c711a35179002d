-- Missions go to processes that have their graph; those that processes died with go to one process of all at a time.
-- depends: 0015_secrets

-- Asked for its own graph's missions, a sweeper's first hundred can't all be another's.
create function colony_runnable(most int, version text) returns table (mission_id text, tenant_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select m.mission_id, m.tenant_id from colony_missions m left join colony_leases l using (mission_id)
  where m.status in ('received', 'running') and (l.mission_id is null or l.lease_until < clock_timestamp())
    and m.graph_version = version
    and m.updated_at < clock_timestamp() - interval '1 second'
    and not exists (
      select from queue.procrastinate_jobs j
      where j.queue_name = 'missions' and j.args ->> 'mission_id' = m.mission_id
        and (j.status = 'todo' or j.scheduled_at > clock_timestamp() - interval '5 seconds'))
  order by m.updated_at limit most
$$;
create function colony_overdue_approvals(most int, version text, but text[])
  returns table (mission_id text, tenant_id text, interrupt_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select a.mission_id, a.tenant_id, a.interrupt_id from colony_approvals a join colony_missions m using (mission_id)
  where a.status = 'pending' and a.expires_at < clock_timestamp() and m.graph_version = version
    and a.interrupt_id <> all (but)
  order by a.expires_at limit most
$$;
-- What the queue's role is told of a mission, which it can't see: whether another graph is its own, whether it is to be run.
create function colony_is_foreign(mission text, version text) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select from colony_missions m where m.mission_id = mission and m.graph_version <> version)
$$;
create function colony_is_waiting(mission text) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
  select exists (
    select from colony_missions m left join colony_leases l using (mission_id)
    where m.mission_id = mission and m.status in ('received', 'running')
      and (l.mission_id is null or l.lease_until < clock_timestamp()))
$$;
grant create on schema public to colony_system;
alter function colony_runnable(int, text) owner to colony_system;
alter function colony_overdue_approvals(int, text, text[]) owner to colony_system;
alter function colony_is_foreign(text, text) owner to colony_system;
alter function colony_is_waiting(text) owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_runnable(int, text), colony_overdue_approvals(int, text, text[]),
  colony_is_foreign(text, text), colony_is_waiting(text) from public;
grant execute on function colony_runnable(int, text), colony_overdue_approvals(int, text, text[]) to colony_app;
grant execute on function colony_is_foreign(text, text), colony_is_waiting(text) to colony_queue;

-- As before, and only what the asking process has the graph for: any other job is left untouched, for one that has. A job
-- that was put back is not handed out before its moment. A mission that is gone is anybody's, who then forgets its job.
create function queue.colony_next_job(tenants text[], running int[], last_place boolean, version text)
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
          and (n.scheduled_at is null or n.scheduled_at <= clock_timestamp())
          and not public.colony_is_foreign(n.args ->> 'mission_id', version)
        order by n.id for update skip locked limit 1)
      returning j.id, j.args ->> 'mission_id', j.args ->> 'tenant_id';
    if found then
      insert into turns values (candidate.tenant_id, nextval('turn_seq'))
      on conflict on constraint turns_pkey do update set turn = excluded.turn;
      return;
    end if;
  end loop;
end $$;

-- The one process of all that waits for its other missions to end, to run one that processes died with.
create table queue.alone (one boolean primary key default true check (one), holder text not null, until timestamptz not null);
grant select, insert, update, delete on queue.alone to colony_queue;
-- Be that process, or stay it, for a while. The job stays in the queue meanwhile, for when this process dies; where another
-- process is the one, it comes back in a moment. `wanted`: somebody has to run the mission still.
create function queue.colony_hold_alone(who text, job bigint, mission text, hold_ms int, later_ms int)
  returns table (held boolean, wanted boolean)
language plpgsql set search_path = queue, pg_temp as $$
begin
  insert into alone as a values (true, who, clock_timestamp() + hold_ms * interval '1 millisecond')
  on conflict (one) do update set holder = excluded.holder, until = excluded.until
  where a.holder = excluded.holder or a.until < clock_timestamp();
  held := found;
  update procrastinate_jobs j set status = 'todo',
    scheduled_at = clock_timestamp() + case when held then hold_ms else later_ms end * interval '1 millisecond'
  where j.id = job;
  wanted := public.colony_is_waiting(mission);
  return next;
end $$;
revoke all on function queue.colony_next_job(text[], int[], boolean, text),
  queue.colony_hold_alone(text, bigint, text, int, int) from public;
grant execute on function queue.colony_next_job(text[], int[], boolean, text),
  queue.colony_hold_alone(text, bigint, text, int, int) to colony_queue;

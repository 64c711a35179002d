-- What ends authority ends all that came of it: what a key lent ends with the key, a halt holds for developers' own graphs,
-- too, and whoever is known to several tenants is one person before the constitution.
-- depends: 0030_prune_threads

alter table colony_delegations add column made_with text references colony_api_keys;

-- Delegations as they stand: one that was made with a key holds no longer than the key.
create view colony_lent with (security_invoker = true) as
select d.delegation_id, d.tenant_id, d.actor_id, d.to_actor, d.to_role, d.reason, d.created_at,
  least(d.expires_at, k.expires_at) as expires_at,
  least(d.revoked_at, k.revoked_at) as revoked_at,
  case when d.revoked_at <= k.revoked_at or k.revoked_at is null then d.revoked_by else k.revoked_by end as revoked_by
from colony_delegations d left join colony_api_keys k on k.key_id = d.made_with;
grant select on colony_lent to colony_app;

grant create on schema public to colony_system;
set local role colony_system;
-- As before, but for the halted.
create or replace function colony_claim_run(worker text, lease_ms int, graphs text[])
returns table (run_id text, thread_id text, tenant_id text, epoch bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found record;
begin
  select r.run_id, r.thread_id into found from colony_runs r join colony_threads t on t.thread_id = r.thread_id
  where r.graph_id = any(graphs) and not colony_halted(r.tenant_id)
    and (r.status = 'pending' or r.status = 'running' and r.lease_until < clock_timestamp())
    and not exists (select from colony_runs o where o.thread_id = r.thread_id and o.number < r.number
                    and o.status in ('pending', 'running'))
  order by r.number limit 1 for update of r, t skip locked;
  if found is null then
    return;
  end if;
  update colony_runs r set status = 'running', worker_id = worker, attempts = r.attempts + 1,
    lease_until = clock_timestamp() + lease_ms * interval '1 millisecond', updated_at = clock_timestamp()
  where r.run_id = found.run_id;
  return query update colony_threads t set epoch = t.epoch + 1 where t.thread_id = found.thread_id
    returning found.run_id, t.thread_id, t.tenant_id, t.epoch;
end $$;

-- As before, but that a person is one actor, in however many tenants: they come from one identity provider.
create or replace function colony_constitution_in_force()
returns table (sha256 text, version int, content bytea, signature bytea, key_id text, agreed int, highest int)
language sql stable security definer set search_path = public, pg_temp as $$
  select l.sha256, c.version, c.content, c.signature, c.key_id,
    (select count(distinct a.actor_id)::int from colony_constitution_log a
     where a.sha256 = l.sha256 and a.event in ('proposed', 'approved')),
    (select max(h.version) from colony_constitution_log x join colony_constitutions h using (sha256)
     where x.event = 'activated')
  from colony_constitution_log l left join colony_constitutions c using (sha256)
  where l.event = 'activated' order by l.entry_id desc limit 1
$$;
create or replace function colony_constitution_versions(hashes text[])
returns table (sha256 text, version int, previous_sha256 text, content bytea, signature bytea, key_id text,
  created_at timestamptz, activated_at timestamptz, agreed int, log jsonb)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.sha256, c.version, c.previous_sha256, c.content, c.signature, c.key_id, c.created_at,
    max(l.created_at) filter (where l.event = 'activated'),
    (count(distinct l.actor_id) filter (where l.event in ('proposed', 'approved')))::int,
    coalesce(jsonb_agg(jsonb_build_object('event', l.event, 'actor_id', case when l.tenant_id = t.own then l.actor_id end,
      'reason', case when l.tenant_id = t.own then l.reason else '' end, 'at', l.created_at)
      order by l.entry_id) filter (where l.entry_id is not null), '[]')
  from (select colony_tenant() as own) t, colony_constitutions c left join colony_constitution_log l using (sha256)
  where hashes is null or c.sha256 = any(hashes)
  group by c.sha256 order by min(l.entry_id) nulls last, c.created_at
$$;
create or replace function colony_answer_constitution(hash text, approves boolean, people int, actor text, why text) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  wanted record;
  last record;
  settled text;
begin
  perform pg_advisory_xact_lock(hashtext('colony constitution'));
  select c.version, c.previous_sha256 into wanted from colony_constitutions c where c.sha256 = hash;
  if not found then
    return 'unknown';
  end if;
  select l.event into settled from colony_constitution_log l
  where l.sha256 = hash and l.event in ('rejected', 'activated');
  if found then
    return 'already_' || settled;
  end if;
  if not approves then
    insert into colony_constitution_log (tenant_id, sha256, event, actor_id, reason)
    values (colony_tenant(), hash, 'rejected', actor, why);
    return 'rejected';
  end if;
  select f.sha256, f.highest into last from colony_constitution_in_force() f;
  if last.sha256 is distinct from wanted.previous_sha256 or wanted.version <= coalesce(last.highest, 0) then
    return 'stale';
  end if;
  insert into colony_constitution_log (tenant_id, sha256, event, actor_id, reason)
  values (colony_tenant(), hash, 'approved', actor, why) on conflict do nothing;
  if (select count(distinct l.actor_id) from colony_constitution_log l
      where l.sha256 = hash and l.event in ('proposed', 'approved')) < greatest(people, 2) then
    return 'agreed';
  end if;
  insert into colony_constitution_log (tenant_id, sha256, event, actor_id)
  values (colony_tenant(), hash, 'activated', actor);
  return 'activated';
end $$;
set local role colony_owner;
revoke create on schema public from colony_system;

-- The constitution: signed documents, and who proposed, approved, rejected and activated which. Both only grow.
-- depends: 0015_secrets

-- Documents are nobody's: one is in force for all tenants. The service reaches them through the functions below alone.
create table colony_constitutions (
  sha256 text primary key,
  version int not null check (version > 0),
  previous_sha256 text,
  content bytea not null,
  signature bytea not null check (length(signature) = 64),
  key_id text not null,
  created_at timestamptz not null default clock_timestamp()
);

create table colony_constitution_log (
  entry_id bigint generated always as identity primary key,
  tenant_id text not null,
  sha256 text not null references colony_constitutions,
  event text not null check (event in ('proposed', 'approved', 'rejected', 'activated')),
  actor_id text not null,
  reason text not null default '',
  created_at timestamptz not null default clock_timestamp()
);
-- A person counts once; a document is settled once.
create unique index on colony_constitution_log (sha256, tenant_id, actor_id) where event in ('proposed', 'approved');
create unique index on colony_constitution_log (sha256) where event in ('rejected', 'activated');
create index on colony_constitution_log (entry_id) where event = 'activated';

alter table colony_constitution_log enable row level security;
alter table colony_constitution_log force row level security;
create policy tenant on colony_constitution_log using (tenant_id = (select colony_tenant()))
  with check (tenant_id = (select colony_tenant()));
create policy system on colony_constitution_log to colony_system using (true) with check (true);
create policy backup on colony_constitution_log for select to colony_backup using (true);
grant select on colony_constitution_log to colony_app;
grant select, insert on colony_constitutions, colony_constitution_log to colony_system;

-- What the store has as the constitution in force, with all that a process holds it against.
create function colony_constitution_in_force()
returns table (sha256 text, version int, content bytea, signature bytea, key_id text, agreed int, highest int)
language sql stable security definer set search_path = public, pg_temp as $$
  select l.sha256, c.version, c.content, c.signature, c.key_id,
    (select count(distinct (a.tenant_id, a.actor_id))::int from colony_constitution_log a
     where a.sha256 = l.sha256 and a.event in ('proposed', 'approved')),
    (select max(h.version) from colony_constitution_log x join colony_constitutions h using (sha256)
     where x.event = 'activated')
  from colony_constitution_log l left join colony_constitutions c using (sha256)
  where l.event = 'activated' order by l.entry_id desc limit 1
$$;

-- Documents by hash, or all; those that were never activated have no `activated_at`. Who another tenant's people are is not told.
create function colony_constitution_versions(hashes text[])
returns table (sha256 text, version int, previous_sha256 text, content bytea, signature bytea, key_id text,
  created_at timestamptz, activated_at timestamptz, agreed int, log jsonb)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.sha256, c.version, c.previous_sha256, c.content, c.signature, c.key_id, c.created_at,
    max(l.created_at) filter (where l.event = 'activated'),
    (count(distinct (l.tenant_id, l.actor_id)) filter (where l.event in ('proposed', 'approved')))::int,
    coalesce(jsonb_agg(jsonb_build_object('event', l.event, 'actor_id', case when l.tenant_id = t.own then l.actor_id end,
      'reason', case when l.tenant_id = t.own then l.reason else '' end, 'at', l.created_at)
      order by l.entry_id) filter (where l.entry_id is not null), '[]')
  from (select colony_tenant() as own) t, colony_constitutions c left join colony_constitution_log l using (sha256)
  where hashes is null or c.sha256 = any(hashes)
  group by c.sha256 order by min(l.entry_id) nulls last, c.created_at
$$;

-- One at a time: 'stale' when a version at least as high is in force, or another than the one it was written against.
create function colony_propose_constitution(hash text, numbered int, before text, said bytea, signed bytea, by_key text,
  actor text, why text) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  last record;
begin
  perform pg_advisory_xact_lock(hashtext('colony constitution'));
  if exists (select from colony_constitutions c where c.sha256 = hash) then
    return 'known';
  end if;
  select f.sha256, f.highest into last from colony_constitution_in_force() f;
  if last.sha256 is distinct from before or numbered <= coalesce(last.highest, 0) then
    return 'stale';
  end if;
  insert into colony_constitutions (sha256, version, previous_sha256, content, signature, key_id)
  values (hash, numbered, before, said, signed, by_key);
  insert into colony_constitution_log (tenant_id, sha256, event, actor_id, reason)
  values (colony_tenant(), hash, 'proposed', actor, why);
  return 'proposed';
end $$;

-- Whoever proposed has agreed; the answer that makes it enough activates. Says what became of it.
create function colony_answer_constitution(hash text, approves boolean, people int, actor text, why text) returns text
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
  if (select count(distinct (l.tenant_id, l.actor_id)) from colony_constitution_log l
      where l.sha256 = hash and l.event in ('proposed', 'approved')) < greatest(people, 2) then
    return 'agreed';
  end if;
  insert into colony_constitution_log (tenant_id, sha256, event, actor_id)
  values (colony_tenant(), hash, 'activated', actor);
  return 'activated';
end $$;

-- The first one of a developer mode, signed with the deployment's own key: by the administrator, at the start.
create function colony_found_constitution(hash text, numbered int, said bytea, signed bytea, by_key text) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtext('colony constitution'));
  if exists (select from colony_constitution_log l where l.event = 'activated') then
    return false;
  end if;
  insert into colony_constitutions (sha256, version, content, signature, key_id)
  values (hash, numbered, said, signed, by_key) on conflict do nothing;
  insert into colony_constitution_log (tenant_id, sha256, event, actor_id, reason)
  values ('demo', hash, 'activated', 'colony', 'a developer mode''s first constitution');
  return true;
end $$;

grant create on schema public to colony_system;
alter function colony_constitution_in_force() owner to colony_system;
alter function colony_constitution_versions(text[]) owner to colony_system;
alter function colony_propose_constitution(text, int, text, bytea, bytea, text, text, text) owner to colony_system;
alter function colony_answer_constitution(text, boolean, int, text, text) owner to colony_system;
alter function colony_found_constitution(text, int, bytea, bytea, text) owner to colony_system;
revoke create on schema public from colony_system;
-- As their owner: anybody else's revoke takes nothing away.
set local role colony_system;
revoke all on function colony_constitution_in_force(), colony_constitution_versions(text[]),
  colony_propose_constitution(text, int, text, bytea, bytea, text, text, text),
  colony_answer_constitution(text, boolean, int, text, text),
  colony_found_constitution(text, int, bytea, bytea, text) from public;
grant execute on function colony_constitution_in_force(), colony_constitution_versions(text[]),
  colony_propose_constitution(text, int, text, bytea, bytea, text, text, text),
  colony_answer_constitution(text, boolean, int, text, text) to colony_app;
grant execute on function colony_found_constitution(text, int, bytea, bytea, text) to colony_owner;
set local role colony_owner;

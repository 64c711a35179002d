-- API keys: a hash of each, who may do what with it, and every creation and revocation in a table that only grows.
-- depends: 0018_tenant_token
create table colony_api_keys (
  key_id text primary key,
  tenant_id text not null default colony_tenant(),
  name text not null,
  actor_id text not null,
  capabilities text[] not null,
  secret_sha256 bytea not null check (length(secret_sha256) = 32),
  made_by text not null,
  made_with text references colony_api_keys,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  revoked_by text,
  last_used_at timestamptz
);
create index on colony_api_keys (tenant_id, created_at desc);
create index on colony_api_keys (made_with) where made_with is not null;

create table colony_key_events (
  event_id bigint generated always as identity primary key,
  tenant_id text not null,
  key_id text not null,
  event_type text not null check (event_type in ('key.created', 'key.revoked')),
  actor_id text not null,
  payload jsonb not null,
  created_at timestamptz not null default clock_timestamp()
);

do $$
declare
  t text;
begin
  foreach t in array array['colony_api_keys', 'colony_key_events'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy system on %I to colony_system using (true) with check (true)', t);
    execute format('create policy backup on %I for select to colony_backup using (true)', t);
  end loop;
end $$;
-- The hash is written and never read back.
grant select (key_id, tenant_id, name, actor_id, capabilities, made_by, made_with, created_at, expires_at, revoked_at,
  revoked_by, last_used_at) on colony_api_keys to colony_app;
grant insert (key_id, tenant_id, name, actor_id, capabilities, secret_sha256, made_by, made_with, expires_at)
  on colony_api_keys to colony_app;
grant update (revoked_at, revoked_by) on colony_api_keys to colony_app;
grant select on colony_key_events to colony_app;
grant select, update (last_used_at) on colony_api_keys to colony_system;
grant insert on colony_key_events to colony_system;

-- A key is revoked once and for all, and neither it nor its revocation is without its event: the service can't write those.
create function colony_record_key() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if tg_op = 'UPDATE' then
    if old.revoked_at is not null and (new.revoked_at, new.revoked_by) is distinct from (old.revoked_at, old.revoked_by) then
      raise exception 'a revoked key stays revoked' using errcode = 'CO003';
    end if;
    if old.revoked_at is null and new.revoked_at is not null then
      insert into colony_key_events (tenant_id, key_id, event_type, actor_id, payload)
      values (new.tenant_id, new.key_id, 'key.revoked', coalesce(new.revoked_by, 'unknown'), '{}');
    end if;
    return null;
  end if;
  insert into colony_key_events (tenant_id, key_id, event_type, actor_id, payload)
  values (new.tenant_id, new.key_id, 'key.created', new.made_by,
    jsonb_build_object('name', new.name, 'acts_as', new.actor_id, 'capabilities', to_jsonb(new.capabilities),
                       'expires_at', new.expires_at, 'made_with', new.made_with));
  return null;
end $$;
create trigger record after insert or update of revoked_at, revoked_by on colony_api_keys
  for each row execute function colony_record_key();

-- Whose key it is; nothing for one that is unknown, wrong, revoked or expired. What is compared is hashed once more, so that
-- the time it takes says nothing. The use is noted to the minute, and never waited for.
create function colony_look_up_key(named text, digest bytea)
returns table (key_id text, tenant_id text, actor_id text, capabilities text[], expires_at timestamptz)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found colony_api_keys%rowtype;
begin
  select * into found from colony_api_keys k
  where k.key_id = named and sha256(k.secret_sha256) = sha256(digest) and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > clock_timestamp());
  if found.key_id is null then
    return;
  end if;
  if found.last_used_at is null or found.last_used_at < clock_timestamp() - interval '1 minute' then
    update colony_api_keys k set last_used_at = clock_timestamp()
    where k.ctid = (select u.ctid from colony_api_keys u where u.key_id = named for update skip locked);
  end if;
  return query select found.key_id, found.tenant_id, found.actor_id, found.capabilities, found.expires_at;
end $$;

grant create on schema public to colony_system;
alter function colony_record_key() owner to colony_system;
alter function colony_look_up_key(text, bytea) owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_record_key(), colony_look_up_key(text, bytea) from public;
grant execute on function colony_look_up_key(text, bytea) to colony_app;

-- What is decided apart from missions (constitutions, rules, halts, delegations, API keys) is on record as missions' events are:
-- one chain for each tenant, which the signed roots seal. '*' is nobody's own: a document for all, a halt of everybody.
-- depends: 0032_authority_ends
create table colony_ledger_entries (
  tenant_id text not null,
  seq bigint not null,
  content bytea not null,
  prev_hash text not null,
  hash text not null,
  primary key (tenant_id, seq)
);
alter table colony_ledger_entries enable row level security;
alter table colony_ledger_entries force row level security;
create policy tenant on colony_ledger_entries for select using (tenant_id = (select colony_tenant()));
create policy system on colony_ledger_entries to colony_system using (true) with check (true);
create policy backup on colony_ledger_entries for select to colony_backup using (true);
create policy audit on colony_ledger_entries for select to colony_audit using (true);
grant select on colony_ledger_entries to colony_app, colony_backup, colony_audit;
grant select, insert on colony_ledger_entries to colony_system;

-- One entry: a row as it is now, but for its free columns; of those of bytes the hash. A tenant's entries are in the order in
-- which they were committed: the second waits for the first.
create function colony_enter(t text, key text, free text, bytes text, written jsonb) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  said jsonb := written - string_to_array(free, ',');
  ledger text := coalesce(written ->> 'tenant_id', '*');
  head text;
  place bigint;
  named text;
  content bytea;
begin
  foreach named in array string_to_array(bytes, ',') loop
    said := said || jsonb_build_object(named, encode(sha256((said ->> named)::bytea), 'hex'));
  end loop;
  select string_agg(said ->> k, ' ' order by n) into named
  from unnest(string_to_array(key, ',')) with ordinality as keys(k, n);
  content := convert_to(jsonb_build_object('table', t, 'key', named, 'row', said, 'at', clock_timestamp(), 'by', session_user)::text,
    'UTF8');
  perform pg_advisory_xact_lock(hashtextextended('colony ledger ' || ledger, 0));
  select e.seq + 1, e.hash into place, head from colony_ledger_entries e where e.tenant_id = ledger order by e.seq desc limit 1;
  if not found then
    place := 1;
    head := repeat('0', 64);
  end if;
  insert into colony_ledger_entries (tenant_id, seq, content, prev_hash, hash) values (ledger, place, content, head,
    encode(sha256(convert_to(head || E'\n' || place || E'\n', 'UTF8') || content), 'hex'));
end $$;

-- What an administrator changes by hand is not entered, and no longer fits: what ended was ended by the service, or by the
-- command that takes on colony_system.
create function colony_enter_row() returns trigger
language plpgsql security definer set search_path = public, pg_temp set timezone = 'UTC' set bytea_output = 'hex' as $$
begin
  if tg_op = 'INSERT' or session_user = 'colony_app' or current_setting('role') = 'colony_system' then
    perform colony_enter(tg_table_name, tg_argv[0], tg_argv[1], tg_argv[2], to_jsonb(new));
  end if;
  return null;
end $$;

grant create on schema public to colony_system;
alter function colony_enter(text, text, text, text, jsonb) owner to colony_system;
alter function colony_enter_row() owner to colony_system;
revoke create on schema public from colony_system;
set local role colony_system;
revoke all on function colony_enter(text, text, text, text, jsonb), colony_enter_row() from public;
grant execute on function colony_enter(text, text, text, text, jsonb), colony_enter_row() to colony_owner;
set local role colony_owner;

-- What there is already is entered as it is.
set local timezone = 'UTC';
set local bytea_output = 'hex';
do $$
declare
  t record;
  written jsonb;
begin
  for t in select * from (values
    ('colony_constitutions', 'sha256', '', 'content,signature', ''),
    ('colony_constitution_log', 'entry_id', '', '', ''),
    ('colony_rule_sets', 'version', '', 'content', ''),
    ('colony_rule_activations', 'number', '', '', ''),
    ('colony_rule_texts', 'rules_sha256', '', 'content', ''),
    ('colony_halts', 'halt_id', '', '', 'lifted_at, lifted_by'),
    ('colony_delegations', 'delegation_id', '', '', 'revoked_at, revoked_by'),
    ('colony_api_keys', 'key_id', 'last_used_at', 'secret_sha256', 'revoked_at, revoked_by'),
    ('colony_key_events', 'event_id', '', '', '')
  ) as kept(name, key, free, bytes, ends)
  loop
    execute format('alter table %I no force row level security', t.name);
    for written in execute format('select to_jsonb(r) from %I r order by r.created_at', t.name) loop
      perform colony_enter(t.name, t.key, t.free, t.bytes, written);
    end loop;
    execute format('alter table %I force row level security', t.name);
    execute format('create trigger enter after insert %s on %I for each row execute function colony_enter_row(%L, %L, %L)',
      case when t.ends <> '' then 'or update of ' || t.ends else '' end, t.name, t.key, t.free, t.bytes);
    execute format('grant select on %I to colony_audit', t.name);
    execute format('create policy audit on %I for select to colony_audit using (true)', t.name);
  end loop;
end $$;
alter table colony_constitutions no force row level security;

-- Every row of a mission carries the hash of what must never change in it, and signed roots cover all of those hashes.
-- depends: 0015_secrets 0020_pass_seals 0021_approval_answers 0026_recordings

-- Adds `row_sha256` to a table: SHA-256 over the columns named, as one JSON object of texts (see `colony_told`). Rows that
-- are there get theirs now. An update takes it along only where the service itself makes it: what an administrator changes,
-- with or without triggers, no longer fits.
create function colony_told(row_name text, what text[]) returns text language sql immutable as $$
  select 'json_build_object(' || string_agg(format('%L, %s', split_part(pair, '=', 1),
    replace(substr(pair, strpos(pair, '=') + 1), '$', row_name)), ', ' order by n) || ')::text'
  from unnest(what) with ordinality as columns(pair, n)
$$;
create procedure colony_keep_row_hash(t text, what text[], updates text default 'update') language plpgsql as $$
declare
  name constant text := 'colony_hash_' || t;
begin
  execute format('alter table %I add column row_sha256 bytea, no force row level security, disable trigger user', t);
  execute format('update %I as r set row_sha256 = sha256(convert_to(%s, ''UTF8''))', t, colony_told('r', what));
  execute format('alter table %I alter column row_sha256 set not null, force row level security, enable trigger user', t);
  execute format($f$
    create function %I() returns trigger language plpgsql as $body$
    begin
      new.row_sha256 := case when tg_op = 'INSERT' or current_user = 'colony_app'
        then sha256(convert_to(%s, 'UTF8')) else old.row_sha256 end;
      return new;
    end $body$ $f$, name, colony_told('new', what));
  execute format('create trigger digest before insert or %s on %I for each row execute function %I()', updates, t, name);
end $$;

do $$
declare
  moment constant text := '(extract(epoch from $.%1$s) * 1000000)::bigint::text';
  -- What is encrypted says so: it carries a proof of its own, and another nonce after each rotation.
  bytes constant text := 'case when substr($.%1$s, 1, 3) = ''\xc01e01'' then ''sealed'' else encode(sha256($.%1$s), ''hex'') end';
  plain constant text := 'case when %2$s then ''sealed'' else encode(sha256(convert_to($.%1$s::text, ''UTF8'')), ''hex'') end';
  whole constant text := 'jsonb_typeof($.%1$s) = ''string''';
  -- JSON that says again what a column of bytes says.
  copy constant text := 'case when substr($.%2$s, 1, 3) = ''\xc01e01'' then ''sealed''
    else encode(sha256(convert_to($.%1$s::text, ''UTF8'')), ''hex'') end';
  answered constant text := 'response_sha256=coalesce($.response_sha256, ' || format(bytes, 'response') || ')';
  made constant text := 'created_at=' || format(moment, 'created_at');
  stored constant text[] := array['artifact_id=$.artifact_id', 'mission_id=$.mission_id', 'tenant_id=$.tenant_id',
    'revision=$.revision::text', 'task_key=$.task_key', 'actor_id=$.actor_id', 'sha256=$.sha256',
    'payload=' || format(copy, 'payload', 'content'), made];
  t text;
begin
  foreach t in array array['colony_plans', 'colony_tasks', 'colony_prompt_packages', 'colony_research_artifacts',
    'colony_worker_results', 'colony_aggregation_packets', 'colony_review_packets'] loop
    call colony_keep_row_hash(t, stored);
  end loop;
  call colony_keep_row_hash('colony_librarian_passes', stored || ('expires_at=' || format(moment, 'expires_at')));
  call colony_keep_row_hash('colony_policy_decisions', stored || array['layer=$.layer', 'outcome=$.outcome']);
  call colony_keep_row_hash('colony_events', array['mission_id=$.mission_id', 'seq=$.seq::text', 'tenant_id=$.tenant_id',
    'event_id=$.event_id', 'event_type=$.event_type', 'actor_id=$.actor_id', 'payload=' || format(copy, 'payload', 'content'),
    'prev_hash=$.prev_hash', 'hash=$.hash', made]);
  call colony_keep_row_hash('colony_approvals', array['mission_id=$.mission_id', 'interrupt_id=$.interrupt_id',
    'tenant_id=$.tenant_id', 'actor_id=$.actor_id', 'status=$.status', 'sha256=$.sha256',
    'payload=' || format(copy, 'payload', 'content'), 'decision=' || format(copy, 'decision', 'decision_content'),
    'decision_content=' || format(bytes, 'decision_content'), 'decided_by=$.decided_by',
    'decided_at=' || format(moment, 'decided_at'), 'expires_at=' || format(moment, 'expires_at'), made]);
  call colony_keep_row_hash('colony_approval_answers', array['mission_id=$.mission_id', 'interrupt_id=$.interrupt_id',
    'number=$.number::text', 'tenant_id=$.tenant_id', 'actor_id=$.actor_id', 'on_behalf_of=$.on_behalf_of',
    'sha256=$.sha256', 'payload=' || format(copy, 'payload', 'content'), made]);
  call colony_keep_row_hash('colony_approval_grants', array['mission_id=$.mission_id', 'proposal_id=$.proposal_id',
    'payload_sha256=$.payload_sha256', 'interrupt_id=$.interrupt_id', 'tenant_id=$.tenant_id', 'actor_id=$.actor_id',
    'sha256=$.sha256', 'payload=' || format(copy, 'payload', 'content'), made]);
  call colony_keep_row_hash('colony_writebacks', array['mission_id=$.mission_id', 'proposal_id=$.proposal_id',
    'payload_sha256=$.payload_sha256', 'tenant_id=$.tenant_id', 'actor_id=$.actor_id', 'status=$.status',
    'idempotency_key=$.idempotency_key', 'payload=' || format(plain, 'payload', format(whole, 'payload')),
    'outcome=' || format(plain, 'outcome', format(whole, 'outcome')), made]);
  -- Before and after a prune the same: it keeps the hashes of what it drops.
  call colony_keep_row_hash('colony_model_calls', array['mission_id=$.mission_id', 'call_id=$.call_id',
    'tenant_id=$.tenant_id', 'actor_id=$.actor_id', 'task_key=$.task_key', 'revision=$.revision::text', 'status=$.status',
    'tier=$.tier', 'provider=$.provider', 'model=$.model', 'request_sha256=$.request_sha256',
    answered, 'tokens_in=$.tokens_in::text',
    'tokens_out=$.tokens_out::text', 'usage_source=$.usage_source', 'cost_usd=$.cost_usd::text',
    'duration_ms=$.duration_ms::text', 'reason=$.reason', made]);
  call colony_keep_row_hash('colony_tool_calls', array['mission_id=$.mission_id', 'call_id=$.call_id',
    'tenant_id=$.tenant_id', 'actor_id=$.actor_id', 'task_key=$.task_key', 'revision=$.revision::text', 'status=$.status',
    'tool=$.tool', 'arguments=' || format(plain, 'arguments', format(whole, 'arguments')),
    answered, 'reason=$.reason', made]);
  call colony_keep_row_hash('colony_pass_seals', array['mission_id=$.mission_id', 'pass_id=$.pass_id',
    'task_key=$.task_key', 'revision=$.revision::text', 'epoch=$.epoch::text', 'tenant_id=$.tenant_id',
    'actor_id=$.actor_id', 'expires_at=' || format(moment, 'expires_at'), 'signature=$.signature', made]);
  call colony_keep_row_hash('colony_missions', array['mission_id=$.mission_id', 'tenant_id=$.tenant_id',
    'actor_id=$.actor_id', 'mission_type=$.mission_type', 'graph_version=$.graph_version', 'trace_id=$.trace_id',
    'parent_mission_id=$.parent_mission_id', 'parent_checkpoint_id=$.parent_checkpoint_id', 'lineage_kind=$.lineage_kind',
    'payload=' || format(plain, 'payload', 'jsonb_typeof($.payload -> ''request'') = ''string'''), made],
    'update of payload');
  call colony_keep_row_hash('checkpoints', array['thread_id=$.thread_id', 'checkpoint_ns=$.checkpoint_ns',
    'checkpoint_id=$.checkpoint_id', 'tenant_id=$.tenant_id', 'parent_checkpoint_id=$.parent_checkpoint_id',
    'type=$.type',
    'checkpoint=' || format(plain, 'checkpoint', '$.checkpoint -> ''channel_values'' ? ''sealed'''),
    'metadata=' || format(plain, 'metadata', '$.metadata ? ''sealed''')]);
  call colony_keep_row_hash('checkpoint_blobs', array['thread_id=$.thread_id', 'checkpoint_ns=$.checkpoint_ns',
    'channel=$.channel', 'version=$.version', 'tenant_id=$.tenant_id', 'type=$.type', 'blob=' || format(bytes, 'blob')]);
  call colony_keep_row_hash('checkpoint_writes', array['thread_id=$.thread_id', 'checkpoint_ns=$.checkpoint_ns',
    'checkpoint_id=$.checkpoint_id', 'task_id=$.task_id', 'idx=$.idx::text', 'tenant_id=$.tenant_id',
    'task_path=$.task_path', 'channel=$.channel', 'type=$.type', 'blob=' || format(bytes, 'blob')]);
  call colony_keep_row_hash('colony_recordings', array['mission_id=$.mission_id', 'position=$.position::text',
    'tenant_id=$.tenant_id', 'stage=$.stage', 'revision=$.revision::text', 'task_key=$.task_key', 'channel=$.channel',
    'request_sha256=$.request_sha256', 'answer_sha256=$.answer_sha256', made]);
  call colony_keep_row_hash('colony_replay_reports', array['mission_id=$.mission_id', 'tenant_id=$.tenant_id',
    'identical=$.identical::text', 'payload=' || format(plain, 'payload', format(whole, 'payload')), made]);
end $$;
revoke all on function colony_told(text, text[]) from public;
revoke all on procedure colony_keep_row_hash(text, text[], text) from public;

-- A checkpoint is written once; the pending writes of one are replaced when its step runs again.
revoke update, delete on checkpoints, checkpoint_blobs from colony_app;
revoke delete on checkpoint_writes from colony_app;

-- The roots: each signs the tree of the leaves that came with it and the root before it. A leaf says how far a mission's
-- chain was, and lists the rows (`rows`: [table, key, hash]) that are new since the mission's last one.
create table colony_audit_roots (
  number bigint primary key check (number > 0),
  content bytea not null,
  sha256 text not null,
  signature text,
  public_key text,
  created_at timestamptz not null default clock_timestamp()
);
create table colony_audit_leaves (
  number bigint not null references colony_audit_roots,
  place int not null,
  mission_id text not null,
  tenant_id text not null default colony_tenant(),
  seq bigint not null,
  head text not null,
  rows bytea not null,
  content bytea not null,
  proof text[] not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (number, place)
);
create index on colony_audit_leaves (mission_id, number desc);
alter table colony_audit_leaves enable row level security;
alter table colony_audit_leaves force row level security;
create policy tenant on colony_audit_leaves using (tenant_id = (select colony_tenant()))
  with check (tenant_id = (select colony_tenant()));
create policy backup on colony_audit_leaves for select to colony_backup using (true);
create policy seal on colony_audit_leaves to colony_audit using (true) with check (true);
grant select on colony_audit_roots, colony_audit_leaves to colony_app, colony_backup;
grant select, insert on colony_audit_roots, colony_audit_leaves to colony_audit;

-- Who checks and seals reads all of it, of every tenant, and writes nothing but roots and leaves.
grant select on colony_restores, colony_recorded to colony_audit;
create policy audit on colony_recorded for select to colony_audit using (true);
do $$
declare
  t record;
begin
  for t in select a.attrelid::regclass as name from pg_attribute a where a.attname = 'row_sha256' and not a.attisdropped loop
    execute format('create policy audit on %s for select to colony_audit using (true)', t.name);
    execute format('grant select on %s to colony_audit', t.name);
  end loop;
end $$;

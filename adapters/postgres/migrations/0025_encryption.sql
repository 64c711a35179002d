-- Payloads at rest: under which keys they are sealed, and who may seal them anew.
-- depends: 0015_secrets 0024_audit 0026_recordings 0027_sdk_threads

-- One row from the day on that payloads are sealed; no service can write it. `encrypting`: an older database's plaintext is
-- still read. `mac` is made with the key `made_by`, so that whoever can write here but has no key can't bring plaintext back.
create table colony_encryption (
  singleton boolean primary key default true check (singleton),
  state text not null check (state in ('encrypting', 'encrypted')),
  key_ids text[] not null,
  since timestamptz not null,
  made_by text not null,
  mac bytea not null
);
grant select on colony_encryption to colony_app, colony_backup, colony_audit;

-- Seals anew what is there, one mission at a time, under that mission's lock, tenant and epoch; changes nothing else.
grant usage on schema public to colony_sealer;
do $$
declare
  t record;
begin
  for t in select * from (values
    ('colony_missions', 'payload, step_update'), ('colony_events', 'payload, content'),
    ('colony_plans', 'payload, content'), ('colony_tasks', 'payload, content'),
    ('colony_prompt_packages', 'payload, content'), ('colony_librarian_passes', 'payload, content'),
    ('colony_research_artifacts', 'payload, content'), ('colony_worker_results', 'payload, content'),
    ('colony_aggregation_packets', 'payload, content'), ('colony_review_packets', 'payload, content'),
    ('colony_policy_decisions', 'payload, content'),
    ('colony_approvals', 'payload, content, decision, decision_content'),
    ('colony_approval_answers', 'payload, content'), ('colony_approval_grants', 'payload, content'),
    ('colony_writebacks', 'payload, outcome'), ('colony_model_calls', 'request, response, response_sha256'),
    ('colony_tool_calls', 'arguments, response, response_sha256'), ('colony_pheromone_signals', 'payload'),
    ('colony_recorded', 'content'), ('colony_replay_reports', 'payload'), ('checkpoints', 'checkpoint, metadata'), ('checkpoint_blobs', 'blob'), ('checkpoint_writes', 'blob')
  ) as sealed(name, columns)
  loop
    execute format('grant select, update (%s) on %I to colony_sealer', t.columns, t.name);
    execute format('create policy seal on %I to colony_sealer using (true) with check (true)', t.name);
  end loop;
end $$;

grant select, update (updated_at) on colony_threads to colony_sealer;
create policy seal on colony_threads to colony_sealer using (true) with check (true);

-- What is only sealed anew was written by the epoch that wrote it.
create or replace function colony_carry_epoch() returns trigger language plpgsql as $$
begin
  new.epoch := case when current_user = 'colony_sealer' then old.epoch else coalesce(colony_epoch(), new.epoch) end;
  return new;
end $$;

-- A row that is encrypted for the first time is told otherwise from then on; whoever does it has held it against its hash.
do $$
declare
  f regprocedure;
begin
  for f in select p.oid from pg_proc p where p.proname like 'colony\_hash\_%' loop
    execute replace(pg_get_functiondef(f), 'current_user = ''colony_app''', 'current_user in (''colony_app'', ''colony_sealer'')');
  end loop;
end $$;

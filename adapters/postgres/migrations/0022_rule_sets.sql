-- A tenant's own rules over the shipped ones, which of them are in force, and the text of whatever ever decided. All three
-- tables only grow.
-- depends: 0015_secrets
create table colony_rule_sets (
  tenant_id text not null default colony_tenant(),
  version int not null check (version > 0),
  sha256 text not null,
  content bytea not null,
  note text not null default '',
  actor_id text not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, version),
  constraint rule_set_is_its_hash check (sha256 = encode(sha256(content), 'hex'))
);

-- The last one is in force; without a version it is the shipped rules alone. Numbered without a gap, so that of two at the
-- same moment one is refused.
create table colony_rule_activations (
  tenant_id text not null default colony_tenant(),
  number int not null check (number > 0),
  version int,
  rules_sha256 text not null,
  actor_id text not null,
  reason text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, number),
  foreign key (tenant_id, version) references colony_rule_sets
);

-- By the hash that decisions carry: the shipped rules and the tenant's, whole, as they were evaluated.
create table colony_rule_texts (
  tenant_id text not null default colony_tenant(),
  rules_sha256 text not null,
  content bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, rules_sha256),
  constraint rule_text_is_its_hash check (rules_sha256 = encode(sha256(content), 'hex'))
);

do $$
declare
  t text;
begin
  foreach t in array array['colony_rule_sets', 'colony_rule_activations', 'colony_rule_texts'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy backup on %I for select to colony_backup using (true)', t);
    execute format('grant select, insert on %I to colony_app', t);
  end loop;
end $$;

-- What was decided, a tenant's, in the order of time and by name: for looking at history under other rules.
create index on colony_policy_decisions (tenant_id, created_at, mission_id, artifact_id);
create index on colony_policy_decisions (tenant_id, artifact_id);

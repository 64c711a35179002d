-- Several people's answers to one approval, delegations, and questions that are escalated before they expire.
-- depends: 0015_secrets
create table colony_approval_answers (
  mission_id text not null,
  interrupt_id text not null,
  number int not null check (number > 0),
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  on_behalf_of text,
  payload jsonb not null,
  content bytea not null,
  sha256 text not null,
  epoch bigint not null default colony_epoch(),
  created_at timestamptz not null default now(),
  primary key (mission_id, interrupt_id, number),
  foreign key (mission_id, interrupt_id) references colony_approvals
);

-- Who lets whom answer in their place, until when; taken back by a moment, never deleted.
create table colony_delegations (
  delegation_id text primary key,
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  to_actor text,
  to_role text,
  reason text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text,
  check ((to_actor is null) <> (to_role is null)),
  check (expires_at > created_at)
);
create index on colony_delegations (tenant_id, expires_at desc);

do $$
declare
  t text;
begin
  foreach t in array array['colony_approval_answers', 'colony_delegations'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select colony_tenant()))
                    with check (tenant_id = (select colony_tenant()))', t);
    execute format('create policy backup on %I for select to colony_backup using (true)', t);
    execute format('grant select, insert on %I to colony_app', t);
  end loop;
end $$;
create trigger fence before insert or update or delete on colony_approval_answers
  for each row execute function colony_fence_mission();
grant update (revoked_at, revoked_by) on colony_delegations to colony_app;

-- Half-way, by default, a question that nobody has answered is brought up again, once.
alter table colony_approvals add column escalate_at timestamptz, add column escalated_at timestamptz;
grant update (escalate_at, escalated_at) on colony_approvals to colony_app;
create index colony_approvals_to_escalate on colony_approvals (escalate_at) where status = 'pending' and escalated_at is null;

grant create on schema public to colony_system;
create function colony_due_escalations(most int, version text, but text[])
  returns table (mission_id text, tenant_id text, interrupt_id text)
language sql stable security definer set search_path = public, pg_temp as $$
  select a.mission_id, a.tenant_id, a.interrupt_id from colony_approvals a join colony_missions m using (mission_id)
  where a.status = 'pending' and a.escalated_at is null and a.escalate_at < clock_timestamp()
    and a.expires_at > clock_timestamp() and m.graph_version = version and a.interrupt_id <> all (but)
  order by a.escalate_at limit most
$$;
alter function colony_due_escalations(int, text, text[]) owner to colony_system;
revoke create on schema public from colony_system;
revoke all on function colony_due_escalations(int, text, text[]) from public;
grant execute on function colony_due_escalations(int, text, text[]) to colony_app;

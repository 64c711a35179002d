-- The deployment's signature on each pass, one for each run that holds it. Written once, by the run of that epoch.
-- depends: 0015_secrets

create table colony_pass_seals (
  mission_id text not null references colony_missions,
  pass_id text not null,
  task_key text not null,
  revision int not null,
  epoch bigint not null default colony_epoch(),
  tenant_id text not null default colony_tenant(),
  actor_id text not null,
  expires_at timestamptz not null,
  signature text not null,
  created_at timestamptz not null default now(),
  primary key (mission_id, pass_id, task_key, revision, epoch)
);

-- Passes from before are signed here, once, as graph/passes.py signs: whoever takes such a mission up countersigns them.
create function colony_hmac(key bytea, said bytea) returns bytea language plpgsql immutable as $$
declare
  inner_pad bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
  outer_pad bytea := inner_pad;
begin
  for i in 0..63 loop
    inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # 54);
    outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # 92);
  end loop;
  return sha256(outer_pad || sha256(inner_pad || said));
end $$;

alter table colony_librarian_passes no force row level security;
insert into colony_pass_seals
  (mission_id, pass_id, task_key, revision, epoch, tenant_id, actor_id, expires_at, signature, created_at)
select mission_id, artifact_id, task_key, revision, epoch, tenant_id, actor_id, expires_at,
  encode(colony_hmac(
    (select secret from colony_secrets where purpose = 'pass'),
    convert_to(format('["colony.pass.v1",%s,%s,%s,%s,%s,%s,%s]', to_json(tenant_id), to_json(mission_id), to_json(task_key),
      revision, epoch, to_json(sha256), floor(extract(epoch from expires_at) * 1000)::bigint), 'utf8')), 'hex'),
  created_at
from colony_librarian_passes;
alter table colony_librarian_passes force row level security;
drop function colony_hmac(bytea, bytea);

alter table colony_pass_seals enable row level security;
alter table colony_pass_seals force row level security;
create policy tenant on colony_pass_seals using (tenant_id = (select colony_tenant()))
  with check (tenant_id = (select colony_tenant()));
create policy backup on colony_pass_seals for select to colony_backup using (true);
grant select, insert on colony_pass_seals to colony_app;
create trigger fence before insert or update or delete on colony_pass_seals
  for each row execute function colony_fence_mission();

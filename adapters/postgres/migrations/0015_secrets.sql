-- What the service signs with inside one database. Owner's eyes only: a process reads them at its start as the administrator,
-- and nothing that gets hold of a service role's connection can.
-- depends: 0014_maintenance

create table colony_secrets (
  purpose text primary key,
  secret bytea not null check (length(secret) = 32),
  created_at timestamptz not null default now()
);
-- Version 4 UUIDs are Postgres' own strong random; four hold 488 bits of it.
insert into colony_secrets (purpose, secret)
select purpose, sha256(string_agg(uuid_send(gen_random_uuid()), ''::bytea))
from unnest(array['tenant', 'pass']) purpose, generate_series(1, 4)
group by purpose;

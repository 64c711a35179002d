-- A connection reads as a tenant by a token that only a holder of the key can make, no longer by the tenant's name.
-- depends: 0015_secrets

-- HMAC (RFC 2104) needs the key with every byte turned by a constant. Made from the key, so that they are renewed with it.
create function colony_hmac_pad(secret bytea, turn int) returns bytea
language sql immutable strict parallel safe
return (
  select decode(string_agg(lpad(to_hex((case when at < length(secret) then get_byte(secret, at) else 0 end) # turn), 2, '0'),
                           '' order by at), 'hex')
  from generate_series(0, 63) as at
);
alter table colony_secrets
  add column inner_pad bytea not null generated always as (colony_hmac_pad(secret, 54)) stored,
  add column outer_pad bytea not null generated always as (colony_hmac_pad(secret, 92)) stored;

-- The tenant that the connection's token proves: `tenant:hex(HMAC-SHA256(key, tenant))`; null without one that holds.
-- Definer's rights, for the key. What is compared is hashed once more, so that the time it takes says nothing of the right one.
create or replace function colony_tenant() returns text
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
return (
  select left(given, -65) from (select current_setting('colony.tenant', true) as given) as token, public.colony_secrets as k
  where k.purpose = 'tenant' and length(given) > 65 and sha256(convert_to(given, 'UTF8')) = sha256(convert_to(
    left(given, -65) || ':' || encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(given, -65), 'UTF8'))), 'hex'),
    'UTF8'))
);

"""Counts commits exactly: a trigger on every table notes the transaction that each row was written in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.acceptance.checks import rows

# The notes are unlogged and made by a definer's function, so that the service's own role may cause them.
_WATCH = """
create unlogged table noted (
  note_id bigint generated always as identity, transaction text not null, "table" text not null,
  operation text not null, step_key text, epoch_moved boolean
);
create function note_write() returns trigger language plpgsql security definer set search_path = public as $$
declare
  n jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
  o jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
begin
  insert into noted (transaction, "table", operation, step_key, epoch_moved)
  values (pg_current_xact_id()::text, tg_table_name, tg_op,
          case when n->>'step_key' is distinct from o->>'step_key' then n->>'step_key' end,
          tg_table_name = 'colony_missions' and n->>'epoch' is distinct from o->>'epoch');
  return null;
end $$;
do $$
declare
  t text;
begin
  for t in select tablename from pg_tables where schemaname = 'public'
           and (tablename like 'colony%' or tablename like 'checkpoint%') loop
    execute format('create trigger note_write after insert or update or delete on %I
                    for each row execute function note_write()', t);
  end loop;
end $$;
"""
_READ = """
select transaction, array_agg(distinct "table") as tables, max(step_key) as step_key, bool_or(epoch_moved) as claimed,
       bool_and("table" = 'colony_leases' or "table" like 'colony_metric%%') as heartbeat
from noted group by transaction order by min(note_id)
"""


def watch(database: str) -> None:
    """Note every write from here on."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(_WATCH)


@dataclass
class Superstep:
    """The transactions from one checkpoint to the next."""

    step_key: str = ""
    commits: int = 0
    tables: list[list[str]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        self.commits += 1
        self.tables.append(row["tables"])
        self.step_key = row["step_key"] or self.step_key


def supersteps(database: str) -> Iterator[Superstep]:
    """Return the supersteps of the one mission that ran; submission, claims and answers are no part of them.

    A superstep ends with its checkpoint, or, at the release gate, with the mission's parking.
    """
    step = Superstep()
    for row in rows(database, _READ):
        if row["claimed"] or row["heartbeat"]:
            continue
        step.add(row)
        if "checkpoints" in row["tables"] or {"colony_budgets", "colony_leases"} <= set(row["tables"]):
            yield step
            step = Superstep()
    if step.commits:
        yield step

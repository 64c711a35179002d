"""What is decided apart from missions: each tenant's ledger, against itself, its tables and what was sealed of it.

Every row of those tables is entered as it is written and as it ends; entries are chained as a mission's events are, and
the roots seal how far each chain was. A row that is not what its last entry says was changed by hand.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from adapters.audit.roots import Leaf
from adapters.postgres.audit.examine import Finding, Sealed, followed, sealed_chain
from adapters.postgres.audit.store import Connection, rows
from contracts.canonical import sha256_hex

NAMED = "ledger "
"""What a leaf names a tenant's ledger with, where that of a mission has the mission's id."""
ENTRIES = "colony_ledger_entries"
NO_ROWS = b"[]"
"""A ledger's chain says everything of its rows: its leaves list none."""


@dataclass(frozen=True)
class Kept:
    """A table whose rows are entered, as its trigger has it: their name, what is free, and what is told by its hash."""

    name: str
    key: tuple[str, ...]
    free: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    everybodys: bool = False

    @property
    def query(self) -> str:
        """The SQL of its rows: ``ledger, key, row``."""
        told = ", ".join(f"'{one}', encode(sha256(r.{one}), 'hex')" for one in self.hashed)
        free = "{" + ",".join(self.free) + "}"
        ledger = "'*'" if self.everybodys else "r.tenant_id"
        key = ", ".join(f"r.{one}" for one in self.key)
        # Names are those below.
        return (
            f"select {ledger} as ledger, concat_ws(' ', {key}) as key, "  # noqa: S608
            f"to_jsonb(r) - '{free}'::text[] || jsonb_build_object({told}) as row from {self.name} r"
        )


KEPT = (
    Kept("colony_constitutions", ("sha256",), hashed=("content", "signature"), everybodys=True),
    Kept("colony_constitution_log", ("entry_id",)),
    Kept("colony_rule_sets", ("version",), hashed=("content",)),
    Kept("colony_rule_activations", ("number",)),
    Kept("colony_rule_texts", ("rules_sha256",), hashed=("content",)),
    Kept("colony_halts", ("halt_id",)),
    Kept("colony_delegations", ("delegation_id",)),
    Kept("colony_api_keys", ("key_id",), free=("last_used_at",), hashed=("secret_sha256",)),
    Kept("colony_key_events", ("event_id",)),
)
Rows = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Ledger:
    """A tenant's ledger as the database has it, with the rows that it is about."""

    tenant_id: str
    entries: Sequence[Mapping[str, Any]]
    rows: Rows

    @property
    def name(self) -> str:
        """What leaves name it by."""
        return NAMED + self.tenant_id

    @property
    def leaf(self) -> Leaf:
        """What is sealed of one that holds."""
        return Leaf(self.tenant_id, self.name, len(self.entries), self.entries[-1]["hash"], 0, sha256_hex(NO_ROWS))


def ledgers(conn: Connection) -> list[Ledger]:
    """Return every tenant's ledger, and an empty one of a tenant that has rows and no entries."""
    # Moments in rows are told as UTC, as they were when they were entered.
    conn.execute("select set_config('timezone', 'UTC', true)")
    entries: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in rows(conn, "entries"):
        entries[entry["tenant_id"]].append(entry)
    held: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = defaultdict(dict)
    for table in KEPT:
        for row in conn.execute(table.query.encode()):
            held[row["ledger"]][table.name, row["key"]] = row["row"]
    return [Ledger(name, entries[name], held[name]) for name in sorted(entries.keys() | held.keys())]


def examined(ledger: Ledger, sealed: Sequence[Sealed]) -> Iterator[Finding]:
    """Name everything of a ledger that does not hold."""
    hashes: list[str] = []
    for table, key, what in chain(
        followed(ledger.entries, hashes, ENTRIES), sealed_chain(sealed, hashes, ENTRIES), _rows(ledger)
    ):
        yield Finding(ledger.tenant_id, "", table, key, what)


def _rows(ledger: Ledger) -> Iterator[tuple[str, str, str]]:
    last: dict[tuple[str, str], tuple[int, Mapping[str, Any]]] = {}
    for entry in ledger.entries:
        try:
            said = json.loads(entry["content"])
            last[said["table"], said["key"]] = entry["seq"], dict(said["row"])
        except (ValueError, KeyError, TypeError):
            continue  # the chain, which it is in, says so
    for (table, key), (seq, row) in last.items():
        now = ledger.rows.get((table, key))
        if now is None:
            yield table, key, f"the row is gone, which entry {seq} says was written"
        # A column that was added since is no part of what was entered.
        elif odd := [name for name, value in row.items() if name not in now or now[name] != value]:
            yield table, key, f"its {odd[0]} is not what entry {seq} says"
    for table, key in sorted(ledger.rows.keys() - last.keys()):
        yield table, key, "no entry says that it was written"

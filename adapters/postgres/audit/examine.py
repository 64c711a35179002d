"""One mission held against itself and against what was sealed of it. Pure: rows in, findings out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from adapters.audit.roots import Leaf
from adapters.postgres.audit.rows import EVENTS, TABLES, Row
from contracts.canonical import ZERO_HASH, sha256_hex
from contracts.stateflow import ENDED

MISSIONS = "colony_missions"
_AFTERWARDS = "approval.refused"
_ENDED = {status.value for status in ENDED}
_PRUNABLE = {"completed", "blocked", "rejected", "cancelled"}
_TERMINAL = {f"mission.{name}" for name in _ENDED}


@dataclass(frozen=True)
class Finding:
    """Something that does not hold: whose, in which table, in which row (empty: the mission's own), and what."""

    tenant_id: str
    mission_id: str
    table: str
    row: str
    what: str


@dataclass(frozen=True)
class Held:
    """A mission as the database has it: how far its chain is said to be, and whether a prune has been there."""

    mission_id: str
    tenant_id: str
    seq: int
    head: str
    status: str
    pruned: bool


@dataclass(frozen=True)
class Sealed:
    """What one root sealed of a mission; ``rows`` as they are listed in the database, None: the list is not the one.

    ``plaintext``: it is from before the database was encrypted, and knows the rows as they were then.
    """

    number: int
    leaf: Leaf
    rows: tuple[tuple[str, str, str], ...] | None
    plaintext: bool = False


@dataclass(frozen=True)
class Stored:
    """Everything that is stored of a mission."""

    held: Held
    rows: Sequence[Row]
    events: Sequence[Mapping[str, Any]]


def listed(leaf: Leaf, rows: bytes) -> tuple[tuple[str, str, str], ...] | None:
    """Return the rows that a leaf stands for, if these are they."""
    if sha256_hex(rows) != leaf.rows_sha256:
        return None
    return tuple((str(table), str(key), str(sha256)) for table, key, sha256 in json.loads(rows))


def examine(stored: Stored, sealed: Sequence[Sealed]) -> Iterator[Finding]:
    """Name everything of a mission that does not hold, what explains the most first."""
    held = stored.held
    hashes: list[str] = []
    for table, key, what in chain(
        _rows(stored.rows),
        followed(stored.events, hashes),
        _whole(held, hashes, stored.events),
        _pruned(stored),
        sealed_chain(sealed, hashes),
        _sealed_rows(stored, sealed),
        _added(stored, sealed),
    ):
        yield Finding(held.tenant_id, held.mission_id, table, key, what)


_Found = Iterator[tuple[str, str, str]]


def _rows(rows: Sequence[Row]) -> _Found:
    for row in rows:
        if row.kept != row.sha256:
            yield row.table, row.key, "it is not what was written: its hash does not fit"
        elif row.broken:
            yield row.table, row.key, row.broken


def _whole(held: Held, hashes: Sequence[str], events: Sequence[Mapping[str, Any]]) -> _Found:
    if not hashes or (held.seq, held.head) != (len(hashes), hashes[-1]):
        yield MISSIONS, "", f"its chain has {len(hashes)} events, it says {held.seq}, or another head"
    if events and (what := _ending(held, events)) is not None:
        yield MISSIONS, "", what


def _pruned(stored: Stored) -> _Found:
    """See that what is said to be pruned can be: a prune drops all of it, and only of what can't go on."""
    if stored.held.pruned:
        if stored.held.status not in _PRUNABLE:
            yield MISSIONS, "", f"it is said to be pruned, and its status is {stored.held.status}"
        elif left := [row for row in stored.rows if TABLES[row.table].dropped]:
            yield MISSIONS, "", f"it is said to be pruned, and {left[0].table} has rows of it"


def followed(events: Sequence[Mapping[str, Any]], hashes: list[str], table: str = EVENTS) -> _Found:
    """Follow a chain and name where it breaks; ``hashes`` gets each event's, as it has to be."""
    for seq, event in enumerate(events, start=1):
        previous = hashes[-1] if hashes else ZERO_HASH
        hashes.append(hashlib.sha256(b"\n".join((previous.encode(), str(seq).encode(), event["content"]))).hexdigest())
        if event["seq"] != seq:
            yield table, str(seq), f"the event is missing, {event['seq']} stands in its place"
            return
        if event["prev_hash"] != previous:
            yield table, str(seq), "it does not follow on the event before it"
            return
        if event["hash"] != hashes[-1]:
            yield table, str(seq), "it was changed after it was recorded"
            return


def _ending(held: Held, events: Sequence[Mapping[str, Any]]) -> str | None:
    said = [kind for kind in map(_type, events[-10:]) if kind != _AFTERWARDS]
    ended = said[-1] if said and said[-1] in _TERMINAL else None
    expected = f"mission.{held.status}" if held.status in _ENDED else None
    return None if ended == expected else f"its status is {held.status}, and its chain does not end so"


def _type(event: Mapping[str, Any]) -> str:
    try:
        return str(json.loads(event["content"])["event_type"])
    except (ValueError, KeyError, TypeError):
        return ""


def sealed_chain(sealed: Sequence[Sealed], hashes: Sequence[str], table: str = EVENTS) -> _Found:
    """Hold a chain, told by its hashes, against what was sealed of it."""
    for one in sealed:
        seq = one.leaf.seq
        if len(hashes) < seq:
            what = f"the tail was cut: root {one.number} sealed {seq} events, {len(hashes)} are there"
            yield table, str(len(hashes) + 1), what
            return
        if hashes[seq - 1] != one.leaf.head:
            yield table, str(seq), f"the chain up to here is not the one that root {one.number} sealed"
            return


def _sealed_rows(stored: Stored, sealed: Sequence[Sealed]) -> _Found:
    now = {(row.table, row.key): row.sha256 for row in stored.rows}
    encrypted = {(row.table, row.key) for row in stored.rows if _is_encrypted(row)}
    before = {one.number for one in sealed if one.plaintext}
    went_on = bool(sealed) and stored.held.seq > sealed[-1].leaf.seq
    for one in sealed:
        if one.rows is None:
            yield "colony_audit_leaves", str(one.number), "the list of rows is not the one that the root sealed"
    for (name, key), (number, sha256) in _union(sealed).items():
        table = TABLES.get(name)
        if (name, key) not in now:
            if not (table and table.dropped and stored.held.pruned):
                yield name, key, f"the row is gone, which root {number} sealed"
        elif number in before and (name, key) in encrypted:
            continue
        elif now[name, key] != sha256 and not (table and table.settles and went_on):
            yield name, key, f"it is not what root {number} sealed"


def _added(stored: Stored, sealed: Sequence[Sealed]) -> _Found:
    """Name what came after a mission had ended and was sealed to its end: its last checkpoint does, or its report."""
    held, known = stored.held, _union(sealed)
    to_its_end = bool(sealed) and held.status in _ENDED and held.seq <= sealed[-1].leaf.seq
    if to_its_end and all(one.rows is not None and len(one.rows) == one.leaf.rows for one in sealed):
        for row in stored.rows:
            if row.table != EVENTS and not TABLES[row.table].late and (row.table, row.key) not in known:
                yield row.table, row.key, f"it was put in after root {sealed[-1].number} sealed the mission to its end"


def _is_encrypted(row: Row) -> bool:
    """Tell whether something of a row is encrypted, and so proves itself to whoever has the key."""
    return "sealed" in json.loads(row.told).values()


def _union(sealed: Sequence[Sealed]) -> dict[tuple[str, str], tuple[int, str]]:
    return {(table, key): (one.number, sha256) for one in sealed for table, key, sha256 in one.rows or ()}


def news(stored: Stored, sealed: Sequence[Sealed]) -> list[list[str]]:
    """Return the rows that no root has sealed as they are: ``[table, key, hash]``. Events are sealed by their head."""
    known = {name: sha256 for name, (_, sha256) in _union(sealed).items()}
    rows = (row for row in stored.rows if row.table != EVENTS)
    return [[r.table, r.key, r.sha256] for r in rows if known.get((r.table, r.key)) != r.sha256]

"""Signed roots: what was sealed of this mission apart from its database, and that the bundle still is that."""

from __future__ import annotations

import hashlib

from server.verify.contents import Contents
from server.verify.ed25519 import verified
from server.verify.mission import TERMINAL
from server.verify.plain import Broken, Record, hexed, sha256_hex
from server.verify.rows import SETTLE, hashed

_FORMAT = "colony-root/1"


def sealed(c: Contents) -> str:
    """Hold the bundle against every root that sealed something of the mission.

    Raises:
        Broken: a signature does not hold, is not by a key that was named, or the mission is not what was sealed.
    """
    now = hashed(c)
    number, seq = 0, 0
    for line in c.roots:
        root, leaf = line.parsed("root"), line.parsed("leaf")
        where = f"root {root.whole('number')}"
        _signed(c, line, root, where)
        if _top(line) != root.text("tree"):
            raise Broken(f"{where}: what it is said to have sealed of this mission is not under its signature")
        if (leaf.text("mission_id"), leaf.text("tenant_id")) != (c.mission_id, c.mission.text("tenant_id")):
            raise Broken(f"{where} sealed another mission")
        if root.whole("number") <= number or leaf.whole("seq") < seq:
            raise Broken(f"{where} is not later than the one before it")
        number, seq = root.whole("number"), leaf.whole("seq")
        if seq > len(c.events) or seq < 1 or c.events[seq - 1].hash != leaf.text("head"):
            raise Broken(f"{where} of {root.text('at')[:40]} sealed another record: events up to {seq} were there")
        _rows(c, line, leaf, now, where)
    if not c.roots:
        if c.keys:
            raise Broken("no root has sealed this mission, so no signature says that it is whole")
        return "no root has sealed this mission yet: who made the bundle is not proven"
    if seq == len(c.events) and c.mission.text("status") in TERMINAL:
        _added(c, now, f"root {number}")
    last = c.roots[-1]
    by = last.text_or_none("public_key")
    trust = "a key that you named" if c.keys else f"key {by[:16]}…, which you did not name" if by else "NO key"
    end = "to its end" if seq == len(c.events) else f"up to event {seq} of {len(c.events)}"
    return f"sealed {end} by root {number} of {last.parsed('root').text('at')[:40]}, signed with {trust}"


def _signed(c: Contents, line: Record, root: Record, where: str) -> None:
    if root.text("format") != _FORMAT:
        raise Broken(f"{where} is of a form that is not known here")
    signature, public = line.text_or_none("signature"), line.text_or_none("public_key")
    if c.keys and (signature is None or public not in c.keys):
        raise Broken(f"{where} is not signed with a key that you named")
    if signature is not None and public is not None:
        message = line.text("root").encode()
        if not verified(hexed(public, where), message, hexed(signature, where)):
            raise Broken(f"{where}: its signature does not hold")


def _top(line: Record) -> str:
    """Return the root of the tree that the leaf and its proof lead to."""
    node = hashlib.sha256(b"\x00" + line.text("leaf").encode()).digest()
    for sibling in line.texts("proof"):
        other = hexed(sibling.removeprefix("<"), line.where)
        pair = other + node if sibling.startswith("<") else node + other
        node = hashlib.sha256(b"\x01" + pair).digest()
    return node.hex()


def _rows(c: Contents, line: Record, leaf: Record, now: dict[tuple[str, str], str], where: str) -> None:
    if sha256_hex(line.text("rows").encode()) != leaf.text("rows_sha256"):
        raise Broken(f"{where}: the list of rows is not the one that it sealed")
    went_on = leaf.whole("seq") < len(c.events)
    held = {table for table, _ in now}
    for table, key, sha256 in _listed(line):
        if table not in held and table.startswith(("checkpoint", "colony_recordings", "colony_replay")):
            continue  # what replay alone needs is in no bundle
        if (table, key) not in now:
            raise Broken(f"{where} sealed a row of {table} that the bundle does not hold: {key[:80]}")
        if now[table, key] != sha256 and not (table in SETTLE and (went_on or line is not c.roots[-1])):
            raise Broken(f"the row {key[:80]} of {table} is not what {where} sealed")


def _added(c: Contents, now: dict[tuple[str, str], str], where: str) -> None:
    """See that nothing was put in since. Of a database that was encrypted the roots from before are in no bundle."""
    listed = {(table, key) for line in c.roots for table, key, _ in _listed(line)}
    told = [row.parsed("told") for row in c.rows if (row.text("table"), row.text("key")) in listed]
    encrypted = any("sealed" in row.fields.values() for row in told)
    if not encrypted and (odd := sorted(now.keys() - listed)):
        raise Broken(f"the row {odd[0][1][:80]} of {odd[0][0]} was put in after {where} sealed the mission to its end")


def _listed(line: Record) -> list[tuple[str, str, str]]:
    found = line.listed("rows")
    if not all(isinstance(one, list) and len(one) == 3 and all(isinstance(x, str) for x in one) for one in found):
        raise Broken(f"{line.where}: `rows` is not a list of rows")
    return [(one[0], one[1], one[2]) for one in found]

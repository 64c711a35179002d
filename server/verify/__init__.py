"""Verify a mission's audit bundle offline: no database, no server, nothing but the standard library.

It shares no code with what made the bundle: hashes, the event chain, the filter of what may be released and the
payload hashes are all recomputed here from their definitions, and every quote is looked up in the stored evidence.

What a bundle that no root has sealed can't prove: who made it. Every hash in it can be recomputed by anybody, so
somebody who re-makes the whole bundle consistently gets one that verifies; so does one that is cut back to an earlier,
consistent state of the mission. A signed root, made apart from the bundle, shows both, where a key is named that it
must be signed with; else a hash of the bundle or of the chain's head that was kept elsewhere does (the report names
both). What is bound by nothing at all, ``docs/audit-bundle.md`` names field by field.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from server.verify import (
    approvals,
    archive,
    artifacts,
    calls,
    chain,
    constitutions,
    decisions,
    mission,
    packet,
    people,
    roots,
    rows,
    rulebook,
    taints,
    writebacks,
)
from server.verify.contents import Contents, inventory, read
from server.verify.plain import Broken, sha256_hex
from server.verify.report import Check, Report, render, to_json

__all__ = ["CHECKS", "Check", "Report", "keys_of", "render", "to_json", "verify_bundle", "verify_bytes"]

CHECKS: Mapping[str, Callable[[Contents], str]] = {
    "chain": chain.chain,
    "identity": chain.identity,
    "artifacts": artifacts.contents,
    "references": artifacts.references,
    "complete": artifacts.complete,
    "mission": mission.mission,
    "decisions": decisions.decisions,
    "constitution": constitutions.constitutions,
    "gates": decisions.gates,
    "tools": calls.tools,
    "models": calls.models,
    "packet": packet.packet,
    "claims": packet.claims,
    "evidence": packet.evidence,
    "requests": approvals.requests,
    "taint": taints.taints,
    "answers": approvals.answers,
    "people": people.people,
    "grants": approvals.grants,
    "writebacks": writebacks.writebacks,
    "ending": mission.ending,
    "rows": rows.rows,
    "rulebook": rulebook.rulebook,
    "sealed": roots.sealed,
}
"""The checks of what a bundle says, in the order they are made; archive, inventory and form come before them."""

_MAX_DETAIL = 400
_KEY_BYTES = 32


def keys_of(text: str) -> tuple[bytes, ...]:
    """Return the public keys that a text names: base64 of 32 bytes each, with commas between.

    Raises:
        ValueError: it is anything else.
    """
    keys = tuple(base64.b64decode(part.strip(), validate=True) for part in text.split(",") if part.strip())
    if any(len(key) != _KEY_BYTES for key in keys):
        raise ValueError("a key has 32 bytes")
    return keys


def verify_bundle(path: Path, trusted: tuple[bytes, ...] = (), keys: Collection[str] = ()) -> Report:
    """Check a bundle. Whatever is in the file, this returns a report: malformed content is a check that failed.

    Args:
        path: the file.
        trusted: the public keys (32 bytes) that its constitutions must be signed by; any, if none is named.
        keys: public keys, 64 hex digits each; a root signed by one must have sealed the mission, if any is named.
    """
    try:
        data = archive.load(path)
    except Broken as exc:
        return Report((_failed("archive", str(exc)),))
    return verify_bytes(data, trusted, keys)


def verify_bytes(data: bytes, trusted: tuple[bytes, ...] = (), keys: Collection[str] = ()) -> Report:
    """Check a bundle that has been read already."""
    named = sha256_hex(data)
    try:
        files = archive.members(data)
    except Broken as exc:
        return Report((_failed("archive", str(exc)),), named)
    size = f"{len(files)} files, {len(data)} bytes, in the one form that a bundle has"
    checks = [Check("archive", ok=True, detail=size), _made("inventory", partial(inventory, files))]
    try:
        contents = read(files, trusted, keys)
    except Broken as exc:
        return Report((*checks, _failed("form", str(exc))), named)
    checks.append(Check("form", ok=True, detail="every file is canonical JSON with the fields it should have"))
    checks += [_made(name, partial(check, contents)) for name, check in CHECKS.items()]
    mission_id = contents.mission.fields.get("mission_id")
    head = contents.events[-1].hash if contents.events else ""
    return Report(tuple(checks), named, _shown(str(mission_id)), _shown(head))


def _made(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=_shown(check()))
    except Broken as exc:
        return _failed(name, str(exc))
    except (LookupError, TypeError, ValueError, RecursionError) as exc:
        # A hole in a check must read as not verified, never as a crash that a script takes for something else.
        return _failed(name, f"this can't be made sense of ({type(exc).__name__})")


def _failed(name: str, detail: str) -> Check:
    return Check(name, ok=False, detail=_shown(detail))


def _shown(text: str) -> str:
    """Keep what a bundle says from writing to the terminal: no control characters, no direction marks, no novels."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_MAX_DETAIL])

"""The event chain: nothing was changed, left out, put in or moved within it, and all of it is of this mission."""

from __future__ import annotations

import re

from server.verify.contents import Contents, Event
from server.verify.plain import ZERO_HASH, Broken, digest, sha256_hex

_ID = re.compile(r"ev_([0-9a-f]{24})(?:_([1-9][0-9]{0,17}))?")
_GATE = {"gate", "approval"}
_DATA = {"dataplane", "task", "model", "tool", "artifact", "evidence", "writeback"}


def chain(c: Contents) -> str:
    """Recompute every hash from the hash before it, the seq and the body.

    Raises:
        Broken: an event was changed, removed, added or moved.
    """
    previous = ZERO_HASH
    for seq, event in enumerate(c.events, start=1):
        if event.seq != seq:
            raise Broken(f"event {seq} is missing from the record: {event.seq} stands in its place")
        if event.prev_hash != previous:
            raise Broken(f"event {seq} ({event.type}) does not follow on the event before it")
        if event.hash != sha256_hex(b"\n".join((previous.encode(), str(seq).encode(), event.body))):
            raise Broken(f"event {seq} ({event.type}) was changed after it was recorded")
        previous = event.hash
    stated = c.manifest.record("events")
    if stated.whole("seq") != len(c.events) or stated.text("head") != previous:
        raise Broken(
            f"the record ends at event {len(c.events)}, not where the manifest says: its tail was cut or added"
        )
    return f"{len(c.events)} events, without a gap, up to head {previous[:16]}…"


def identity(c: Contents) -> str:
    """Hold each event against the mission it is filed under.

    Raises:
        Broken: an event is of another mission, tenant or trace, or is not named as Colony names it.
    """
    if not c.events or c.events[0].type != "intent.received":
        raise Broken("the record does not begin with the mission's submission")
    newest = 0
    names = {key: c.mission.text(key) for key in ("mission_id", "tenant_id", "trace_id")}
    for event in c.events:
        for key, expected in names.items():
            if event.fields.text(key) != expected:
                raise Broken(f"event {event.seq} ({event.type}) is of another {key.removesuffix('_id')}")
        epoch = _epoch(event, names["mission_id"])
        if epoch < newest:
            raise Broken(f"event {event.seq} ({event.type}) was written under an epoch that was over")
        newest = epoch
        if event.fields.text("phase") != plane(event):
            raise Broken(f"event {event.seq} ({event.type}) is filed under the wrong plane")
    return f"every event is of mission {names['mission_id']}, tenant {names['tenant_id']}"


def _epoch(event: Event, mission_id: str) -> int:
    """Return the epoch that an event's id is made of; 0 for those of the time before ids had one.

    Raises:
        Broken: the id is not this event's own.
    """
    found = _ID.fullmatch(event.fields.text("event_id"))
    epoch = found[2] if found is not None else None
    parts = [mission_id, event.seq] if epoch is None else [mission_id, event.seq, int(epoch)]
    if found is None or found[1] != digest(parts)[:24]:
        raise Broken(f"event {event.seq} ({event.type}) does not carry its own id")
    return int(epoch or 0)


def plane(event: Event) -> str:
    """Tell which plane an event's type belongs to."""
    family = event.type.split(".")[0]
    if family in _GATE:
        return "gate"
    return "data_plane" if family in _DATA else "control_plane"

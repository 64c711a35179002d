"""Writebacks: each has its grant, was intended before it was done, and was done at most once."""

from __future__ import annotations

from server.verify.contents import Contents, Event
from server.verify.plain import Broken, Record, digest, same

_OUTCOMES = {"applied", "conflicted", "failed", "unknown"}


def writebacks(c: Contents) -> str:
    """Hold each write against its grant and the chain.

    Raises:
        Broken: something was written without a grant, twice, unannounced, or with another outcome than recorded.
    """
    granted = {(g.text("proposal_id"), g.text("payload_sha256")) for g in c.grants}
    recorded = c.events_about("proposal_id", *sorted({e.type for e in c.events if e.type.startswith("writeback.")}))
    seen: set[str] = set()
    for row in c.writebacks:
        name, payload = row.text("proposal_id"), row.text("payload_sha256")
        if (name, payload) not in granted:
            raise Broken(f"{row.where}: {name[:60]} was written without a grant for exactly this payload")
        if name in seen:
            raise Broken(f"{row.where}: {name[:60]} was written twice")
        if row.text("idempotency_key") != digest([c.mission_id, name, payload]):
            raise Broken(f"{row.where}: the idempotency key is not the one that belongs to this write")
        seen.add(name)
        _recorded(row, recorded.get(name, []))
    if stray := sorted(recorded.keys() - seen):
        first = recorded[stray[0]][0]
        raise Broken(f"event {first.seq} ({first.type}) records a write that is not among the writebacks")
    return f"{len(c.writebacks)} writes, each granted, announced and done at most once"


def _recorded(row: Record, events: list[Event]) -> None:
    for event in events:
        if event.payload.text("payload_sha256") != row.text("payload_sha256"):
            raise Broken(f"event {event.seq} ({event.type}) is about another payload than the write")
    intents = [e for e in events if e.type == "writeback.intended"]
    if len(intents) != 1 or events[0] is not intents[0]:
        raise Broken(f"{row.where}: the chain does not record the intent, once, before the write")
    if intents[0].payload.text("idempotency_key") != row.text("idempotency_key"):
        raise Broken(f"{row.where}: the chain records another idempotency key (event {intents[0].seq})")
    if sum(e.type == "writeback.applied" for e in events) > 1:
        raise Broken(f"{row.where}: the chain records it as applied more than once")
    _outcome(row, events[-1])


def _outcome(row: Record, last: Event) -> None:
    status = row.text("status")
    if last.type != f"writeback.{status}":
        raise Broken(f"{row.where}: its status is {status[:20]}, but the chain ends with {last.type}")
    outcome = row.record_or_none("outcome")
    if (outcome is not None) != (status in _OUTCOMES):
        raise Broken(f"{row.where}: its status and its outcome disagree")
    for key, value in (outcome.fields if outcome is not None else {}).items():
        if key not in last.payload.fields or not same(last.payload.fields[key], value):
            raise Broken(f"{row.where}: the outcome's `{key[:40]}` is not what the chain records (event {last.seq})")

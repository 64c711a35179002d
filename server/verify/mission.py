"""The mission as a whole: what was asked, under which envelope it was admitted, and how it ended."""

from __future__ import annotations

from collections import Counter

from server.verify.approvals import decision_of
from server.verify.contents import BEFORE, FORMAT, Contents, Event
from server.verify.packet import final
from server.verify.plain import Broken, Record, digest, same

TERMINAL = frozenset({"completed", "blocked", "rejected", "cancelled", "expired", "failed"})
_ASKED = ("mission_type", "origin_surface", "user_goal", "inputs", "metadata")
_LINEAGE = {name: name for name in ("parent_mission_id", "parent_checkpoint_id")} | {"kind": "lineage_kind"}
_MANIFEST = {"format", "mission_id", "tenant_id", "status", "graph_version", "created_at", "files", "events", "rules"}


def mission(c: Contents) -> str:
    """Hold manifest, request, envelope and chain against each other.

    Raises:
        Broken: they are not of one and the same mission.
    """
    if c.manifest.text("format") not in {FORMAT, BEFORE} or c.manifest.fields.keys() != _MANIFEST:
        raise Broken(f"the manifest is not that of a {FORMAT}")
    for key in ("mission_id", "tenant_id", "status", "graph_version", "created_at"):
        if c.manifest.text(key) != c.mission.text(key):
            raise Broken(f"the manifest's `{key}` is not the mission's")
    request = c.mission.record("request")
    if not c.events or digest(request.fields) != c.events[0].payload.text("request_sha256"):
        raise Broken("what was asked for is not what was submitted: the request was changed")
    if c.events[0].fields.text("actor") != c.mission.text("actor_id"):
        raise Broken("the mission is filed under another person than the one who submitted it")
    if c.mission.text("mission_type") != request.text("mission_type"):
        raise Broken("the mission is filed under another class than the one that was asked for")
    lineage = c.mission.record("lineage").fields
    if [lineage.get(key) for key in _LINEAGE.values()] != [c.lineage.get(name) for name in _LINEAGE]:
        raise Broken("the mission is filed as coming of another than it was begun from")
    envelope = c.mission.record_or_none("envelope")
    if envelope is not None:
        _envelope(c, request, envelope)
    return f"a {request.text('mission_type')} mission, as it was submitted and admitted"


def _envelope(c: Contents, request: Record, envelope: Record) -> None:
    for key in ("mission_id", "tenant_id", "actor_id", "trace_id"):
        if envelope.text(key) != c.mission.text(key):
            raise Broken(f"the envelope's `{key}` is not the mission's")
    for key in _ASKED:
        if not same(envelope.value(key), request.value(key)):
            raise Broken(f"the envelope's `{key}` is not what was asked for")
    for key in ("token_budget", "time_budget_ms"):
        if envelope.whole(key) != c.mission.record("budget").whole(key):
            raise Broken(f"the envelope's `{key}` is not the budget that the mission had")
    admitted = [d.record("question") for d in c.of("policy_decision") if d.text("layer") == "admission"]
    if not any(_admits(question, envelope) for question in admitted):
        raise Broken("no admission decision is about this envelope: its risk, review level or budgets were changed")


def _admits(question: Record, envelope: Record) -> bool:
    asked = question.record("resource").record("attrs").fields
    context = question.record("context").fields
    compared = {**asked, **{key: context.get(key) for key in ("token_budget", "time_budget_ms")}}
    # The question spells a tenant that the store could not carry in another way; the chain names the tenant anyway.
    keys = compared.keys() - {"tenant"}
    return all(key in envelope.fields and same(envelope.fields[key], compared[key]) for key in keys)


def ending(c: Contents) -> str:
    """See that the status is the one that the chain ends with, and that what it means is true.

    Raises:
        Broken: the status and the record of what happened disagree.
    """
    status = c.mission.text("status")
    # An answer that came too late is refused, and recorded, after the end.
    last = next((event for event in reversed(c.events) if event.type != "approval.refused"), None)
    recorded = last.type.removeprefix("mission.") if last is not None and last.type.startswith("mission.") else ""
    if last is None or (recorded if recorded in TERMINAL else "") != (status if status in TERMINAL else ""):
        raise Broken(f"the mission's status is {status[:20]}, but the chain does not end so")
    _failure(c, last, status)
    if status == "completed":
        _completed(c, last)
    if status in {"completed", "rejected"}:
        _settled(c, last)
    if c.rehearsed and (c.approvals or c.grants or c.writebacks):
        raise Broken("the mission is a replay, and a replay asks nobody and writes nothing")
    if status == "rejected" and not c.rehearsed:
        verdicts = [d.text("verdict") for a in c.approvals if (d := decision_of(a)) is not None]
        if "rejected" not in verdicts or c.grants:
            raise Broken("the mission ended as rejected, but no person's decision says so")
    if status == "awaiting_approval" and not any(a.text("status") == "pending" for a in c.approvals):
        raise Broken("the mission waits for a person, but nobody was asked")
    return (
        f"the mission is {status}, as its last event says" if status in TERMINAL else f"the mission is still {status}"
    )


def _failure(c: Contents, last: Event, status: str) -> None:
    failure = c.mission.record_or_none("failure")
    if (failure is not None) != (status in TERMINAL - {"completed", "rejected"}):
        raise Broken("the mission's status and its failure disagree")
    for key, value in (failure.fields if failure is not None else {}).items():
        if key not in last.payload.fields or not same(last.payload.fields[key], value):
            raise Broken(f"the failure's `{key[:40]}` is not what the chain records (event {last.seq})")


def _completed(c: Contents, last: Event) -> None:
    result = final(c)
    if c.packet is None or result is None:
        raise Broken("the mission was completed, but no packet was released")
    reference = last.payload.record("packet").text("id")
    if result.packet.where != f"artifacts/aggregation_packet/{reference}.json":
        raise Broken("the mission was completed with another packet than the one that was reviewed last")
    for key in ("claims", "facts"):
        if last.payload.whole(key) != len(c.packet.records(key)):
            raise Broken(f"the mission was completed with another number of {key} than the packet has")


def _settled(c: Contents, last: Event) -> None:
    effects = last.payload.record("effects")
    counted = Counter(row.text("status") for row in c.writebacks)
    if c.rehearsed:
        counted += Counter({"simulated": len(c.events_of("replay.simulated"))})
    if not same(effects.fields, dict(counted)):
        raise Broken(f"the last event (event {last.seq}) counts other effects than the writebacks have")
    if len(c.writebacks) != len(c.grants):
        raise Broken("the mission ended although something that was granted was never tried")
    if any(approval.text("status") == "pending" for approval in c.approvals):
        raise Broken("the mission ended although it still waits for a person")

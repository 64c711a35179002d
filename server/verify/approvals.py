"""Approvals: what a person was shown, what they answered, and that nothing else was granted, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

from server.verify.contents import Contents, Event
from server.verify.packet import final, released
from server.verify.plain import Broken, Record, canonical, digest, parse, same, sha256_hex

_Allowances = set[tuple[str, str, str]]
"""What the release layer did not deny: the action, the payload's hash and, where a person asked, who."""
_PAYLOAD = ("target", "operation", "precondition", "before", "after")


def payload_sha256(proposal: Record) -> str:
    """Recompute the hash of exactly what a proposal would send."""
    return digest({key: proposal.value(key) for key in _PAYLOAD})


def request_of(approval: Record) -> Record:
    """Return what the person was asked."""
    where = f"{approval.where}, request"
    return Record.of(parse(approval.text("request").encode(), where), where)


def decision_of(approval: Record) -> Record | None:
    """Return what the person answered; None when nobody did."""
    text = approval.text_or_none("decision")
    where = f"{approval.where}, decision"
    return None if text is None else Record.of(parse(text.encode(), where), where)


def requests(c: Contents) -> str:
    """See that a person was shown exactly what the review and the release policy let through.

    Raises:
        Broken: the request was changed, or shows something else than the mission proposed.
    """
    last = final(c)
    known: dict[str, Record] = {}
    if last is not None and last.released:
        let_through = Record("what the review let through", released(last.packet, last.review))
        known = {p.text("proposal_id"): p for p in let_through.records("writebacks")}
    if len({approval.text("interrupt_id") for approval in c.approvals}) < len(c.approvals):
        raise Broken("approvals.jsonl lists a request twice")
    asked = c.events_about("interrupt_id", "approval.requested")
    gates = c.events_about("subject", "gate.release")
    shown = 0
    for approval in c.approvals:
        if sha256_hex(approval.text("request").encode()) != approval.text("request_sha256"):
            raise Broken(f"{approval.where}: what the person was asked was changed afterwards")
        proposals = request_of(approval).records("proposals")
        names = [p.text("proposal_id") for p in proposals]
        events = asked.get(approval.text("interrupt_id"), [])
        if not events or any(e.payload.texts("proposals") != names for e in events):
            raise Broken(f"{approval.where}: the chain records no such request, or another one")
        for proposal in proposals:
            shown += 1
            _shown(approval, proposal, known)
            before = [g for g in gates.get(proposal.text("proposal_id"), []) if g.seq < events[-1].seq]
            _passed(c, approval, proposal, before)
    if asked.keys() != {approval.text("interrupt_id") for approval in c.approvals}:
        raise Broken("the chain records other requests than the bundle holds")
    return f"{len(c.approvals)} requests with {shown} proposals, each as the review let it through"


def _shown(approval: Record, proposal: Record, known: Mapping[str, Record]) -> None:
    name = proposal.text("proposal_id")
    if payload_sha256(proposal) != proposal.text("payload_sha256"):
        raise Broken(f"{approval.where}: proposal {name[:60]} does not have the hash of what it would write")
    if name not in known or not same(known[name].fields, proposal.fields):
        raise Broken(f"{approval.where}: proposal {name[:60]} is not one that the review let through as it stands")


def _passed(c: Contents, approval: Record, proposal: Record, gates: list[Event]) -> None:
    name = proposal.text("proposal_id")
    if not gates or gates[-1].payload.text("outcome") == "blocked":
        raise Broken(f"{approval.where}: the release policy had not let proposal {name[:60]} pass")
    asked = c.artifact(gates[-1].payload.text("decision_id"), "pd_").record("question").record("resource")
    if asked.text("id") != proposal.text("payload_sha256"):
        raise Broken(f"{approval.where}: the release policy was asked about another payload of {name[:60]}")


def answers(c: Contents) -> str:
    """See that each decision is the recorded person's answer to the recorded request.

    Raises:
        Broken: the decision was changed, or answers or grants something that was not asked.
    """
    asked = c.events_about("interrupt_id", "approval.requested")
    given = c.events_about("interrupt_id", "approval.decided")
    allowed = _allowances(c)
    decided = 0
    for approval in c.approvals:
        name = approval.text("interrupt_id")
        decision = decision_of(approval)
        if (approval.text("status") == "decided") != (decision is not None):
            raise Broken(f"{approval.where}: its status and its decision disagree")
        if decision is not None:
            decided += 1
            _answered(c, approval, decision, given.get(name, []))
            if not any(e.seq < given[name][0].seq for e in asked.get(name, [])):
                raise Broken(f"{approval.where}: it was answered before it was asked")
            _granted(allowed, approval, decision)
    if len(c.events_of("approval.decided")) != decided:
        raise Broken("the chain records another number of answers than there are decisions")
    return f"{decided} answers, each bound to what was asked, granting only what was approved or edited"


def _answered(c: Contents, approval: Record, decision: Record, events: list[Event]) -> None:
    if len(events) != 1:
        raise Broken(f"{approval.where}: the chain records {len(events)} answers to it, not one")
    event = events[0]
    sha256 = sha256_hex(approval.text("decision").encode())
    if sha256 != approval.value("decision_sha256") or sha256 != event.payload.text("decision_sha256"):
        raise Broken(f"{approval.where}: the decision is not the one that the chain records (event {event.seq})")
    expected = (c.mission_id, approval.text("interrupt_id"), approval.text("decided_by"), event.payload.text("verdict"))
    if tuple(decision.text(k) for k in ("mission_id", "interrupt_id", "actor_id", "verdict")) != expected:
        raise Broken(f"{approval.where}: the decision is of another mission, request, person or verdict")
    if event.fields.text("actor") != decision.text("actor_id"):
        raise Broken(f"{approval.where}: the chain records another person's answer (event {event.seq})")
    if event.payload.texts("granted") != [p.text("proposal_id") for p in decision.records("granted")]:
        raise Broken(f"{approval.where}: the chain records other grants (event {event.seq})")


def _granted(allowed: _Allowances, approval: Record, decision: Record) -> None:
    asked = {p.text("proposal_id"): p for p in request_of(approval).records("proposals")}
    given = {a.text("proposal_id"): a for a in decision.records("answers")}
    if len(given) < len(decision.records("answers")):
        raise Broken(f"{approval.where}: a proposal is answered twice")
    for name, answer in given.items():
        if name not in asked or answer.text("payload_sha256") != asked[name].text("payload_sha256"):
            raise Broken(f"{approval.where}: an answer is bound to another payload than the person was shown")
    granted = [p.text("proposal_id") for p in decision.records("granted")]
    let_through = [name for name, answer in given.items() if answer.text("verdict") in {"approve", "edit"}]
    if granted and decision.text("verdict") != "approved":
        raise Broken(f"{approval.where}: something was granted although the person rejected")
    if granted != let_through:
        raise Broken(f"{approval.where}: what was granted is not what the person approved or edited")
    for proposal in decision.records("granted"):
        name = proposal.text("proposal_id")
        _as_answered(approval, asked[name], given[name], proposal)
        if "answers" not in approval.fields:
            # With several people's answers it is the check `people` that asks who was let do what.
            _allowed(allowed, approval, decision, proposal, edited=given[name].text("verdict") == "edit")


def _as_answered(approval: Record, asked: Record, answer: Record, granted: Record) -> None:
    expected = asked.fields
    if answer.text("verdict") == "edit":
        changed = Record(asked.where, {**asked.fields, "after": answer.record("after").fields})
        expected = {**changed.fields, "payload_sha256": payload_sha256(changed)}
    if not same(expected, granted.fields):
        raise Broken(f"{approval.where}: grant {granted.text('proposal_id')[:60]} is not what the person approved")


def _allowances(c: Contents) -> _Allowances:
    found = set()
    for stored in c.of("policy_decision"):
        if stored.text("layer") == "release" and stored.text("outcome") != "deny":
            question = stored.record("question")
            action, about = question.text("action"), question.record("resource").text("id")
            found.add((action, about, "" if action == "release" else question.record("principal").text("id")))
    return found


def _allowed(allowed: _Allowances, approval: Record, decision: Record, proposal: Record, *, edited: bool) -> None:
    about, who = proposal.text("payload_sha256"), decision.text("actor_id")
    needed = {("approve", about, who)} | ({("edit", about, who), ("release", about, "")} if edited else set())
    if missing := sorted(needed - allowed):
        raise Broken(f"{approval.where}: no policy decision lets this person {missing[0][0]} what was granted")


def grants(c: Contents) -> str:
    """See that the stored grants are those of the decisions, and that each has the hash of what it would write.

    Raises:
        Broken: a grant was changed, added or removed.
    """
    decided: dict[tuple[str, bytes], Record] = {}
    for approval in c.approvals:
        decision = decision_of(approval)
        for proposal in decision.records("granted") if decision is not None else []:
            decided[approval.text("interrupt_id"), canonical(proposal.fields)] = approval
    seen = {_grant(grant, decided) for grant in c.grants}
    if len(c.grants) != len(decided) or len(seen) != len(decided):
        raise Broken("what the decisions grant and what is stored as granted differ")
    return f"{len(c.grants)} grants, each exactly what a person approved"


def _grant(grant: Record, decided: Mapping[tuple[str, bytes], Record]) -> tuple[str, bytes]:
    content = Record.of(parse(grant.text("content").encode(), grant.where), grant.where)
    if sha256_hex(grant.text("content").encode()) != grant.text("sha256"):
        raise Broken(f"{grant.where}: the grant was changed after the person approved it")
    key = (grant.text("interrupt_id"), canonical(content.fields))
    if key not in decided:
        raise Broken(f"{grant.where}: no decision of a person grants this")
    if payload_sha256(content) != content.text("payload_sha256"):
        raise Broken(f"{grant.where}: the grant does not have the hash of what it would write")
    for name in ("proposal_id", "payload_sha256"):
        if grant.text(name) != content.text(name):
            raise Broken(f"{grant.where}: `{name}` is not that of what was granted")
    if grant.text("actor_id") != decided[key].text("decided_by"):
        raise Broken(f"{grant.where}: the grant is in another person's name than the decision")
    return key

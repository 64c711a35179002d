"""People: who agreed to what was granted; that they were as many different people as had to be, and on one hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.verify.approvals import decision_of, payload_sha256, request_of
from server.verify.constitutions import limits_of, people_for
from server.verify.contents import Contents, Event
from server.verify.plain import Broken, Record, parse, same, sha256_hex


@dataclass
class _Standing:
    """One proposal after the answers so far."""

    payload: Record
    people: int
    agreed: list[tuple[frozenset[str], int]] = field(default_factory=list)
    edited_by: str = ""
    refused: bool = False


def people(c: Contents) -> str:
    """Put every answer to its request again and count who agreed to what was granted.

    Raises:
        Broken: an answer is not the chain's, or something was granted with fewer people than policy asked for.
    """
    total = 0
    requested = c.events_about("interrupt_id", "approval.requested")
    given = c.events_about("interrupt_id", "approval.given", "approval.decided")
    for approval in c.approvals:
        name, request = approval.text("interrupt_id"), request_of(approval)
        answers = _answers(approval)
        events = [e for e in given.get(name, []) if "answer_sha256" in e.payload.fields]
        if len(events) != len(answers):
            raise Broken(f"{approval.where}: the chain records {len(events)} people's answers, not {len(answers)}")
        for event, (text, answer) in zip(events, answers, strict=True):
            total += 1
            _recorded(approval, event, text, answer)
        if "grounds" not in request.fields:
            continue
        if any(e.payload.value("request_sha256") != approval.text("request_sha256") for e in requested.get(name, [])):
            raise Broken(f"{approval.where}: the chain records another request")
        _granted(c, approval, request, [answer for _, answer in answers])
    if len(c.events_of("approval.given")) > total:
        raise Broken("the chain records answers to approvals that the bundle does not hold")
    return f"{total} answers, each by the person whom the chain records; whatever was granted had the people it needed"


def _answers(approval: Record) -> list[tuple[str, Record]]:
    if "answers" not in approval.fields:
        return []
    where = f"{approval.where}, answers"
    return [(text, Record.of(parse(text.encode(), where), where)) for text in approval.texts("answers")]


def _recorded(approval: Record, event: Event, text: str, answer: Record) -> None:
    where = f"{approval.where}, answer {answer.whole('number')}"
    if sha256_hex(text.encode()) != event.payload.text("answer_sha256"):
        raise Broken(f"{where}: it is not the one that the chain records (event {event.seq})")
    if answer.text("interrupt_id") != approval.text("interrupt_id"):
        raise Broken(f"{where}: it answers another request")
    if answer.whole("number") != event.payload.whole("number"):
        raise Broken(f"{where}: it is in another place than the chain records (event {event.seq})")
    if answer.text("actor_id") != event.fields.text("actor"):
        raise Broken(f"{where}: the chain records another person's answer (event {event.seq})")
    if answer.text_or_none("on_behalf_of") != event.payload.fields.get("on_behalf_of"):
        raise Broken(f"{where}: the chain records it on another's behalf (event {event.seq})")


def _granted(c: Contents, approval: Record, request: Record, answers: list[Record]) -> None:
    decision = decision_of(approval)
    if decision is None:
        return
    if not answers:
        raise Broken(f"{approval.where}: it was decided, and nobody's answer is there")
    given = [(a.text("actor_id"), a.text_or_none("on_behalf_of")) for a in answers]
    if [(g.text("actor_id"), g.text_or_none("on_behalf_of")) for g in decision.records("given")] != given:
        raise Broken(f"{approval.where}: the decision names other people than answered")
    found = _standings(approval, request, answers)
    granted = {p.text("proposal_id"): p for p in decision.records("granted")}
    if granted.keys() - found.keys():
        raise Broken(f"{approval.where}: something was granted that nobody was asked about")
    for name, standing in found.items():
        enough = not standing.refused and len(standing.agreed) >= standing.people
        if (name in granted) != enough:
            raise Broken(
                f"{approval.where}: proposal {name[:60]} needs {standing.people} people, and "
                f"{0 if standing.refused else len(standing.agreed)} agreed to exactly the same"
            )
        if enough:
            if not same(granted[name].fields, standing.payload.fields):
                raise Broken(f"{approval.where}: what was granted of {name[:60]} is not what people agreed to")
            _allowed(c, approval, standing, answers)


def _standings(approval: Record, request: Record, answers: list[Record]) -> dict[str, _Standing]:
    grounds = {g.text("proposal_id"): g for g in request.records("grounds")}
    found: dict[str, _Standing] = {}
    for proposal in request.records("proposals"):
        name = proposal.text("proposal_id")
        if name not in grounds or grounds[name].text("payload_sha256") != proposal.text("payload_sha256"):
            raise Broken(f"{approval.where}: nothing says how many people proposal {name[:60]} needs")
        found[name] = _Standing(proposal, grounds[name].whole("people"))
    for number, answer in enumerate(answers):
        said = {a.text("proposal_id"): a for a in answer.records("answers")}
        made = {g.text("proposal_id"): g for g in answer.records("grounds")}
        for name, standing in found.items():
            _put(
                approval, standing, said.get(name), made.get(name), (_persons(answer), number, answer.text("actor_id"))
            )
    return found


def _persons(answer: Record) -> frozenset[str]:
    behalf = answer.text_or_none("on_behalf_of")
    return frozenset({answer.text("actor_id"), *([behalf] if behalf else [])})


def _put(
    approval: Record, one: _Standing, answer: Record | None, made: Record | None, by: tuple[frozenset[str], int, str]
) -> None:
    persons, number, actor = by
    if one.refused:
        return
    if answer is None:
        one.refused = len(one.agreed) < one.people
        return
    if answer.text("payload_sha256") != one.payload.text("payload_sha256"):
        raise Broken(f"{approval.where}: answer {number + 1} is bound to another payload than was pending")
    verdict = answer.text("verdict")
    if verdict == "edit":
        after = Record(one.payload.where, {**one.payload.fields, "after": answer.record("after").fields})
        edited = Record(after.where, {**after.fields, "payload_sha256": payload_sha256(after)})
        if edited.text("payload_sha256") != one.payload.text("payload_sha256"):
            if made is None or made.text("payload_sha256") != edited.text("payload_sha256"):
                raise Broken(f"{approval.where}: nothing says how many people the edit needs")
            one.payload, one.people, one.edited_by = edited, made.whole("people"), actor
            one.agreed = [(persons, number)]
            return
    elif verdict != "approve":
        one.refused = True
        return
    if made is not None and made.text("payload_sha256") == one.payload.text("payload_sha256"):
        # Rules or constitution were others by then.
        one.people = max(one.people, made.whole("people"))
    if not any(persons & others for others, _ in one.agreed):
        one.agreed.append((persons, number))


def _allowed(c: Contents, approval: Record, standing: _Standing, answers: list[Record]) -> None:
    """See that policy let each of them agree to exactly this, and asked for no more people than agreed."""
    payload = standing.payload.text("payload_sha256")
    asked = [d for d in c.of("policy_decision") if d.record("question").record("resource").text("id") == payload]
    alone = [d for d in asked if d.record("question").text("action") == "approve_alone"]
    if standing.people not in {_people(c, d) for d in alone}:
        raise Broken(f"{approval.where}: no policy decision says that {standing.people} of the people are enough")
    let = [d for d in asked if d.text("outcome") != "deny"]
    for persons, number in standing.agreed:
        answer = answers[number]
        facts = {"is_requester": c.mission.text("actor_id") in persons, "has_answered": False}
        if not any(_lets(d, "approve", answer.text("actor_id"), facts) for d in let):
            raise Broken(f"{approval.where}: no policy decision lets {answer.text('actor_id')[:60]} approve this")
    if standing.edited_by:
        if not any(_lets(d, "edit", standing.edited_by, {}) for d in let):
            raise Broken(f"{approval.where}: no policy decision lets this person edit what was granted")
        if not any(d.record("question").text("action") == "release" for d in let):
            raise Broken(f"{approval.where}: no policy decision releases what the edit made")


def _people(c: Contents, alone: Record) -> int:
    """Return how many people the rules and the constitution asked for."""
    by_rules = 1 if alone.text("outcome") == "allow" else 2
    return max(by_rules, people_for(limits_of(c, alone), alone.record("question")))


def _lets(decision: Record, action: str, actor: str, facts: Mapping[str, bool]) -> bool:
    question = decision.record("question")
    if question.text("action") != action or question.record("principal").text("id") != actor:
        return False
    answer = question.record("context").record("answer").fields if facts else {}
    return all(answer.get(key) is value for key, value in facts.items())

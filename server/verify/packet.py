"""The released packet: it is what the last review let through of the last aggregation, and every quote is verbatim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.verify.contents import Contents
from server.verify.plain import Broken, Record, canonical, same


@dataclass(frozen=True)
class Final:
    """The last aggregation and the last review that the event chain reports; ``released`` if the review let it go."""

    packet: Record
    review: Record
    released: bool


def final(c: Contents) -> Final | None:
    """Return what the chain says was reviewed last; None when it never came to a review.

    Raises:
        Broken: the bundle does not hold it.
    """
    merged = c.events_of("aggregation.completed")
    reviews = c.events_of("review.completed", "review.revised")
    if not merged or not reviews:
        return None
    packet = c.artifact(merged[-1].fields.text("artifact_id"), "ap_")
    review = c.artifact(reviews[-1].fields.text("artifact_id"), "rp_")
    newest = reviews[-1].seq > merged[-1].seq
    if reviews[-1].payload.text("verdict") != review.text("verdict"):
        raise Broken(f"event {reviews[-1].seq} reports another verdict than the stored review")
    return Final(packet, review, newest and review.text("verdict") == "release")


def released(packet: Record, review: Record) -> dict[str, Any]:
    """Return the packet without what the review withheld and without what stood on it."""
    withheld = set(review.texts("withheld"))
    claims = [c for c in packet.records("claims") if c.text("claim_id") not in withheld]
    kept = {c.text("claim_id") for c in claims}
    proven = {canonical(q.fields) for c in claims for q in c.records("citations")}
    doubted = [c for c in packet.records("claims") if c.text("claim_id") in withheld]
    # A proposal doesn't say which claims it rests on: a quote that a withheld claim stands on carries none.
    proven -= {canonical(q.fields) for c in doubted for q in c.records("citations")}
    facts = [f for f in packet.records("facts") if f.text("claim_id") in kept]
    answer = _answer(packet.record_or_none("answer"), withheld)
    grounds = packet.fields.get("grounds", {})
    stated = {key: _standing(packet.texts(key), grounds, withheld) for key in ("findings", "next_steps")}
    kept_grounds = {text: grounds[text] for texts in stated.values() for text in texts if text in grounds}
    # The summary doesn't say which claims it rests on: it goes with the first that is withheld.
    left_out = {"summary": _summary(facts, answer)} if withheld else {}
    return {
        **{key: value for key, value in packet.fields.items() if key not in {"grounds", "taint"}},
        **left_out,
        **stated,
        **({"grounds": kept_grounds} if kept_grounds else {}),
        **({"taint": tainted} if (tainted := _tainted(packet, kept, {f.text("key") for f in facts})) else {}),
        "claims": [{**c.fields, "status": "verified"} for c in claims],
        "facts": [f.fields for f in facts],
        "answer": answer,
        "drafts": [d.fields for d in packet.records("drafts") if withheld.isdisjoint(_grounds(d))],
        "contradictions": [
            {**x.fields, "values": [v.fields for v in left]}
            for x in packet.records("contradictions")
            if len(left := [v for v in x.records("values") if v.text("claim_id") in kept]) > 1
        ],
        "writebacks": [p.fields for p in packet.records("writebacks") if _proven(p, proven)],
        "evidence_matrix": [
            {**row.fields, "claim_ids": held}
            for row in packet.records("evidence_matrix")
            if (held := [i for i in row.texts("claim_ids") if i in kept])
        ],
    }


def _tainted(packet: Record, claims: set[str], facts: set[str]) -> list[Any]:
    """Return the taint of what is left: that of a withheld claim or fact goes with it."""
    taint = packet.records("taint") if "taint" in packet.fields else []
    parts = [(t.text("field").partition("."), t.fields) for t in taint]
    left = {"claims": claims, "facts": facts}
    return [fields for (part, _, name), fields in parts if part not in left or name in left[part]]


def _standing(texts: list[str], grounds: Any, withheld: set[str]) -> list[str]:
    """Return the statements that rest on no withheld claim; one that doesn't say what it rests on may rest on any."""
    return [t for t in texts if not withheld or (t in grounds and withheld.isdisjoint(grounds[t]))]


def _summary(facts: list[Record], answer: dict[str, Any] | None) -> str:
    if answer is not None:
        return str(answer["text"])
    known = "; ".join(f"{f.text('key').replace('_', ' ')}: {f.text('value')}" for f in facts) or "nothing is known yet"
    return f"{known}. What did not hold in review was left out."


def _answer(answer: Record | None, withheld: set[str]) -> dict[str, Any] | None:
    if answer is None or withheld.isdisjoint(answer.texts("claim_ids")):
        return None if answer is None else answer.fields
    text = "Not supported by the evidence."
    return {**answer.fields, "text": text, "status": "unsupported", "claim_ids": []}


def _grounds(draft: Record) -> list[str]:
    return draft.texts("claim_ids") if "claim_ids" in draft.fields else []


def _proven(proposal: Record, proven: set[bytes]) -> bool:
    quotes = [canonical(q.fields) for q in proposal.records("citations")]
    return bool(quotes) and all(q in proven for q in quotes)


def packet(c: Contents) -> str:
    """Filter the last aggregation by the last review anew, and hold the released packet against the outcome.

    Raises:
        Broken: something was released that the review did not let through, or the other way round.
    """
    last = final(c)
    if last is None or not last.released:
        if c.packet is not None:
            raise Broken("packet.json was released although no review let it through")
        return "nothing was released, and the bundle holds no packet"
    if c.packet is None:
        raise Broken("the review released a packet that is missing from the bundle")
    expected = released(last.packet, last.review)
    for key in sorted(expected.keys() | c.packet.fields.keys()):
        if key not in c.packet.fields or key not in expected or not same(c.packet.fields[key], expected[key]):
            raise Broken(f"packet.json: `{key[:40]}` is not what the review let through of what the workers found")
    return f"the packet is what review {last.review.where.rpartition('/')[2]} let through"


def claims(c: Contents) -> str:
    """See that each released claim was made by a recorded task, was checked by the review and passed.

    Raises:
        Broken: a claim came from nowhere, was not checked, failed its check, or was withheld.
    """
    last = final(c)
    if c.packet is None or last is None:
        return "no claim was released"
    completed = {event.fields.text_or_none("artifact_id") for event in c.events_of("task.completed")}
    results = [r for r in c.of("worker_result") if r.where.rpartition("/")[2].removesuffix(".json") in completed]
    made = {canonical(claim.fields) for result in results for claim in result.records("claims")}
    checked = {check.text("claim_id"): check for check in last.review.records("checks")}
    withheld = set(last.review.texts("withheld"))
    found = {claim.text("claim_id"): claim for claim in last.packet.records("claims")}
    for claim in c.packet.records("claims"):
        name = claim.text("claim_id")
        if claim.text("status") != "verified" or name in withheld:
            raise Broken(f"claim {name[:60]} was released although the review did not verify it")
        check = checked.get(name)
        if check is None or (check.value("quote_verbatim"), check.value("value_supported")) != (True, True):
            raise Broken(f"claim {name[:60]} was released without having passed the review's check")
        if name not in found or canonical(found[name].fields) not in made:
            raise Broken(f"claim {name[:60]} was not made by any task that the chain records")
    return f"{len(c.packet.records('claims'))} claims, each made by a recorded task and passed by the review"


def evidence(c: Contents) -> str:
    """Look every quote up in the stored evidence, character for character.

    Raises:
        Broken: a claim has no quote, or a quote does not stand where it says.
    """
    if c.packet is None:
        return "no claim was released"
    quotes = 0
    proposals = c.packet.records("writebacks")
    names = [(f"claim {claim.text('claim_id')[:60]}", claim) for claim in c.packet.records("claims")]
    names += [(f"proposal {proposal.text('proposal_id')[:60]}", proposal) for proposal in proposals]
    for name, stated in names:
        citations = stated.records("citations")
        if not citations:
            raise Broken(f"{name} has no quote to stand on")
        for citation in citations:
            quotes += 1
            _verbatim(c, name, citation)
    return f"{quotes} quotes, each verbatim at its place in the stored evidence"


def _verbatim(c: Contents, name: str, citation: Record) -> None:
    source = citation.text("artifact_id")
    text = c.artifact(source, "ra_").text("text")
    start, end, quote = citation.whole("start"), citation.whole("end"), citation.text("quote")
    if not (0 <= start < end <= len(text)) or text[start:end] != quote:
        raise Broken(f"{name}: its quote does not stand at characters {start} to {end} of evidence {source}")

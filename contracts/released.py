"""What may leave: the aggregation without what the review withheld."""

from __future__ import annotations

from contracts.evidence import WritebackProposal
from contracts.packets import AggregationPacket, Answer, Contradiction, Fact, ReviewPacket


def released(packet: AggregationPacket, review: ReviewPacket) -> AggregationPacket:
    """Return the packet with every claim verified, and nothing left that stood on a withheld one.

    Facts, contradictions, drafts, the answer, findings, next steps and proposals that rest on a withheld claim go with
    it, and so does a finding or step that doesn't say what it rests on; the summary is made anew of what is left.
    """
    withheld = set(review.withheld)
    claims = tuple(c.model_copy(update={"status": "verified"}) for c in packet.claims if c.claim_id not in withheld)
    kept = {c.claim_id for c in claims}
    facts = tuple(f for f in packet.facts if f.claim_id in kept)
    answer = _answer(packet.answer, withheld)
    findings, steps = (_standing(texts, packet, withheld) for texts in (packet.findings, packet.next_steps))
    return packet.model_copy(
        update={
            "summary": _summary(facts, answer) if withheld else packet.summary,
            "claims": claims,
            "facts": facts,
            "answer": answer,
            "findings": findings,
            "next_steps": steps,
            "grounds": {text: packet.grounds[text] for text in (*findings, *steps) if text in packet.grounds},
            "taint": tuple(t for t in packet.taint if _of_what_is_left(t.field, kept, {f.key for f in facts})),
            "drafts": tuple(d for d in packet.drafts if withheld.isdisjoint(d.get("claim_ids", []))),
            "contradictions": tuple(c for c in (_of(kept, c) for c in packet.contradictions) if len(c.values) > 1),
            "writebacks": proposals(packet, review),
            "evidence_matrix": tuple(
                row.model_copy(update={"claim_ids": held})
                for row in packet.evidence_matrix
                if (held := tuple(i for i in row.claim_ids if i in kept))
            ),
        }
    )


def _of_what_is_left(field: str, claims: set[str], facts: set[str]) -> bool:
    part, _, name = field.partition(".")
    return {"claims": name in claims, "facts": name in facts}.get(part, True)


def _standing(texts: tuple[str, ...], packet: AggregationPacket, withheld: set[str]) -> tuple[str, ...]:
    if not withheld:
        return texts
    return tuple(t for t in texts if t in packet.grounds and withheld.isdisjoint(packet.grounds[t]))


def _summary(facts: tuple[Fact, ...], answer: Answer | None) -> str:
    if answer is not None:
        return answer.text
    known = "; ".join(f"{f.key.replace('_', ' ')}: {f.value}" for f in facts) or "nothing is known yet"
    return f"{known}. What did not hold in review was left out."


def _of(kept: set[str], contradiction: Contradiction) -> Contradiction:
    return contradiction.model_copy(update={"values": tuple(v for v in contradiction.values if v.claim_id in kept)})


def _answer(answer: Answer | None, withheld: set[str]) -> Answer | None:
    if answer is None or withheld.isdisjoint(answer.claim_ids):
        return answer
    return Answer(text="Not supported by the evidence.", status="unsupported", claim_ids=())


def proposals(packet: AggregationPacket, review: ReviewPacket) -> tuple[WritebackProposal, ...]:
    """Return the proposals all of whose quotes belong to verified claims, and none to a withheld one.

    A proposal doesn't say which claims it rests on: one sentence may carry a claim that holds and one that doesn't.
    """
    withheld = set(review.withheld)
    proven = {c for claim in packet.claims if claim.claim_id not in withheld for c in claim.citations}
    proven -= {c for claim in packet.claims if claim.claim_id in withheld for c in claim.citations}
    return tuple(p for p in packet.writebacks if p.citations and all(c in proven for c in p.citations))

"""Taint: what was derived from untrusted text, and from which: computed from what was read, not from what is said.

A task's taint is what its model calls had in their prompts, what it cites, and the taint of the tasks it builds on.
What a worker itself says of taint is replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from contracts.base import ArtifactId
from contracts.evidence import UNTRUSTED, Citation, Claim, Taint, Trust, WorkerResult, WritebackProposal
from contracts.links import has_link
from contracts.packets import AggregationPacket

WHOLE = "*"
"""The field that stands for everything a task made."""
UNKNOWN = ArtifactId("unknown")
"""Stands for text that was put before a model and is no stored evidence: it counts as a stranger's."""

Reads = Sequence[Collection[ArtifactId]]
Trusts = Mapping[ArtifactId, Trust]
Sources = dict[ArtifactId, Trust]


def labelled(result: WorkerResult, reads: Reads, before: Iterable[WorkerResult], trusts: Trusts) -> WorkerResult:
    """Return a task's result with its taint.

    Args:
        result: as the worker gave it.
        reads: for each of the task's model calls the evidence that was put before the model.
        before: the results that the task builds on.
        trusts: who wrote each piece of evidence; what is not here counts as a stranger's.
    """
    whole = _untrusted([i for call in reads for i in call], trusts)
    whole |= _untrusted(_cited(c for claim in result.claims for c in claim.citations), trusts)
    for earlier in before:
        whole |= _of(earlier.taint, WHOLE)
    claims = [(f"claims.{c.claim_id}", _untrusted(_read_for(c, reads), trusts)) for c in result.claims]
    proposals = tuple(
        p.model_copy(update={"taint": _fields(p, _untrusted(_cited(p.citations), trusts), whole)})
        for p in result.proposals
    )
    whole |= {a: t.trust for p in proposals for t in p.taint for a in t.artifact_ids if a not in whole}
    taint = tuple(_taint(field, sources) for field, sources in [(WHOLE, whole), *claims] if sources)
    return result.model_copy(update={"taint": taint, "proposals": proposals})


def packet_labelled(packet: AggregationPacket, results: Iterable[WorkerResult]) -> AggregationPacket:
    """Return the packet with the taint of its parts and of its proposals, from the labelled results it is made of."""
    made = list(results)
    wholes = {r.task_key: _of(r.taint, WHOLE) for r in made}
    everything: Sources = {a: t for whole in wholes.values() for a, t in whole.items()}
    of_claims: dict[str, Sources] = {}
    for result in made:
        for claim in result.claims:
            of_claims.setdefault(claim.claim_id, {}).update(_of(result.taint, f"claims.{claim.claim_id}"))
    parts: list[tuple[str, Sources]] = [
        (f"claims.{c.claim_id}", of_claims.get(c.claim_id, everything)) for c in packet.claims
    ]
    parts += [(f"facts.{f.key}", of_claims.get(f.claim_id, everything)) for f in packet.facts]
    sections: dict[str, tuple[bool, str]] = {
        "answer": (packet.answer is not None, "answer"),
        "metrics": (bool(packet.metrics), "metrics"),
        "next_steps": (bool(packet.next_steps), "next_steps"),
        "drafts": (bool(packet.drafts), "draft"),
    }
    for name, (there, output) in sections.items():
        if there:
            parts.append((name, _merged(wholes[r.task_key] for r in made if output in r.outputs)))
    if packet.findings:
        parts.append(("findings", _merged(wholes[r.task_key] for r in made if r.findings)))
    if any(has_link(text) for text in _texts(list(packet.drafts))):
        parts.append(("drafts.url", dict(parts).get("drafts", {})))
    parts.append(("summary", everything))
    stored = {p.proposal_id: p for r in made for p in r.proposals}
    writebacks = tuple(
        p.model_copy(
            update={"taint": stored[p.proposal_id].taint if p.proposal_id in stored else _fields(p, {}, everything)}
        )
        for p in packet.writebacks
    )
    return packet.model_copy(update={"taint": tuple(_taint(f, s) for f, s in parts if s), "writebacks": writebacks})


def _fields(proposal: WritebackProposal, cited: Sources, whole: Sources) -> tuple[Taint, ...]:
    """Mark every field, what the proposal cites first; a field that holds a link is marked as choosing one, too."""
    sources = {**cited, **whole}
    if not sources:
        return ()
    order = (*sorted(cited), *sorted(whole.keys() - cited.keys()))
    names = sorted(proposal.after)
    names += [f"{name}.url" for name in names if any(has_link(t) for t in _texts([proposal.after[name]]))]
    return tuple(Taint(field=name, trust=_worst(sources), artifact_ids=order) for name in names)


def _texts(values: list[Any]) -> Iterable[str]:
    """Yield every string of plain JSON, names included."""
    waiting = list(values)
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case Mapping() as record:
                waiting += [*record.keys(), *record.values()]
            case list() | tuple() as items:
                waiting += items
            case _:
                pass


def _read_for(claim: Claim, reads: Reads) -> set[ArtifactId]:
    """Return what a claim may be made from: what it cites, and all that was before the models that had read that."""
    cited = set(_cited(claim.citations))
    return cited.union(*(call for call in reads if not cited or not cited.isdisjoint(call)))


def _cited(citations: Iterable[Citation]) -> list[ArtifactId]:
    return [c.artifact_id for c in citations]


def _untrusted(ids: Iterable[ArtifactId], trusts: Trusts) -> Sources:
    return {i: trusts.get(i, Trust.WEB) for i in ids if trusts.get(i, Trust.WEB) in UNTRUSTED}


def _of(taint: Iterable[Taint], field: str) -> Sources:
    return {a: t.trust for t in taint if t.field == field for a in t.artifact_ids}


def _merged(sources: Iterable[Sources]) -> Sources:
    return {a: t for one in sources for a, t in one.items()}


def _worst(sources: Sources) -> Trust:
    return Trust.WEB if Trust.WEB in sources.values() else Trust.CUSTOMER


def _taint(field: str, sources: Sources) -> Taint:
    return Taint(field=field, trust=_worst(sources), artifact_ids=tuple(sorted(sources)))

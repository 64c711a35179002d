"""Before a person is asked, the root is: a proposal that it would not take is withheld, with its reasons."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import RootUnavailable
from contracts.events import EventType, NewEvent
from contracts.evidence import WritebackProposal
from contracts.ports import EffectPort, Refusal

_NOT_ASKED = "the root could not be asked whether it would take this; it is asked again before anything is written"


@dataclass(frozen=True)
class Withheld:
    """What is left to ask a person about, why to look, and an event for each proposal that the root would not take."""

    kept: tuple[WritebackProposal, ...]
    reasons: tuple[str, ...]
    events: tuple[NewEvent, ...]


async def asked_root(proposals: Sequence[WritebackProposal], effects: EffectPort) -> Withheld:
    """Ask the root about every proposal; one that is away stops nobody: it is asked again before the write."""
    answers = await asyncio.gather(*(_answer(p, effects) for p in proposals))
    refused = [(p, a) for p, a in zip(proposals, answers, strict=True) if isinstance(a, Refusal)]
    kept = tuple(p for p, a in zip(proposals, answers, strict=True) if not isinstance(a, Refusal))
    reasons = [f"the root would not take {len(refused)} of the proposals"] if refused else []
    if False in answers:
        reasons.append(_NOT_ASKED)
    return Withheld(kept, tuple(reasons), tuple(_event(p, a) for p, a in refused))


async def _answer(proposal: WritebackProposal, effects: EffectPort) -> Refusal | bool:
    try:
        return await effects.refusal(proposal) or True
    except RootUnavailable:
        return False


def _event(proposal: WritebackProposal, refusal: Refusal) -> NewEvent:
    payload = {
        "proposal_id": proposal.proposal_id,
        "payload_sha256": proposal.payload_sha256,
        "code": refusal.code,
        "reasons": list(refusal.reasons),
    }
    return NewEvent(event_type=EventType.PROPOSAL_WITHHELD, payload=payload, artifact_id=proposal.proposal_id)

"""Release gate: what a person is asked, made of what the review let through."""

from __future__ import annotations

from contracts.decisions import ApprovalRequest, Ground
from contracts.errors import BadInput
from contracts.evidence import WritebackProposal
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Ports
from contracts.released import released
from contracts.state import MissionState


async def release_gate(state: MissionState, ports: Ports) -> AggregationPacket:
    """Return what the review let through; its writebacks may be put before a person.

    Raises:
        BadInput: the review did not release the packet.
    """
    packet = await ports.artifacts.one(AggregationPacket, state["packet"])
    review = await ports.artifacts.one(ReviewPacket, state["review"])
    if review.verdict != "release":
        raise BadInput("the review did not release this packet", code="not_released")
    return released(packet, review)


def asked(
    allowed: tuple[WritebackProposal, ...],
    grounds: tuple[Ground, ...],
    reasons: tuple[str, ...],
    looks: tuple[str, ...],
) -> ApprovalRequest | None:
    """Return the request for a person, or None when nothing would be written and nobody has to look.

    ``grounds`` are the release layer's, ``looks`` are reasons for which a person must look whatever is written.
    """
    names = {p.proposal_id for p in allowed}
    kept = tuple(g for g in grounds if g.proposal_id in names)
    why = tuple(dict.fromkeys((*(reason for g in grounds for reason in g.reasons), *reasons, *looks)))
    if allowed:
        return ApprovalRequest(
            proposals=allowed,
            reasons=why or ("a person approves every write",),
            required=max((g.people for g in kept), default=1),
            grounds=kept,
        )
    return ApprovalRequest(proposals=(), reasons=why, review_only=True) if looks else None

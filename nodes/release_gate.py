"""Release gate: what a person is asked, made of what the review let through."""

from __future__ import annotations

from contracts.decisions import ApprovalRequest
from contracts.errors import BadInput
from contracts.evidence import WritebackProposal
from contracts.mission import ReviewLevel
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Ports
from contracts.released import proposals
from contracts.state import MissionState


async def release_gate(state: MissionState, ports: Ports) -> tuple[WritebackProposal, ...]:
    """Return the proposals that may be put before a person: reviewed, and proven quote by quote.

    Raises:
        BadInput: the review did not release the packet.
    """
    packet = await ports.artifacts.one(AggregationPacket, state["packet"])
    review = await ports.artifacts.one(ReviewPacket, state["review"])
    if review.verdict != "release":
        raise BadInput("the review did not release this packet", code="not_released")
    return proposals(packet, review)


def asked(
    allowed: tuple[WritebackProposal, ...], reasons: tuple[str, ...], review_level: ReviewLevel
) -> ApprovalRequest | None:
    """Return the request for a person, or None when nothing would be written and nobody has to look."""
    if allowed:
        return ApprovalRequest(proposals=allowed, reasons=reasons or ("a person approves every write",))
    if review_level is ReviewLevel.PERSON:
        reason = "the review level asks for a person although nothing would be written"
        return ApprovalRequest(proposals=(), reasons=(reason,), review_only=True)
    return None

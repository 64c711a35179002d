"""Release gate: what a person is asked, made of what the review let through."""

from __future__ import annotations

from contracts.decisions import ApprovalRequest
from contracts.errors import BadInput
from contracts.evidence import WritebackProposal
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
    allowed: tuple[WritebackProposal, ...], reasons: tuple[str, ...], looks: tuple[str, ...]
) -> ApprovalRequest | None:
    """Return the request for a person, or None when nothing would be written and nobody has to look.

    ``reasons`` are the release layer's, ``looks`` those for which a person must look whatever is written.
    """
    why = tuple(dict.fromkeys((*reasons, *looks)))
    if allowed:
        return ApprovalRequest(proposals=allowed, reasons=why or ("a person approves every write",))
    return ApprovalRequest(proposals=(), reasons=why, review_only=True) if looks else None

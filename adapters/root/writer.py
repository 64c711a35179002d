"""Sending one approved write to the root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.root import crm, oracle, readback
from adapters.root.client import RootClient
from contracts.errors import RootRefused
from contracts.evidence import WritebackProposal
from contracts.ports import ReadBack


class RootWriter:
    """Satisfies ``WriterPort``."""

    def __init__(self, client: RootClient, mission_id: str | None = None) -> None:
        self._client = client
        self._mission_id = mission_id

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, idempotency_key: str
    ) -> Mapping[str, Any]:
        """Send exactly what was approved, once.

        Raises:
            PreconditionStale: the object changed under the proposal.
            RootRefused: the root said no, or has nothing like this target.
            RootUnavailable: nothing was sent.
            OutcomeUnknown: it was sent, and nobody can say whether it happened.
        """
        method, path = _call(proposal)
        named = {"X-Colony-Proposal-Id": proposal.proposal_id, "X-Colony-Payload-Sha256": proposal.payload_sha256}
        if self._mission_id is not None:
            named["X-Colony-Mission-Id"] = self._mission_id
        fetched = await self._client.write(
            tenant_id, method, path, proposal.after, precondition, idempotency_key, named
        )
        return {"etag": fetched.etag} if fetched.etag else {}

    async def shown(self, tenant_id: str, proposal: WritebackProposal, precondition: str | None) -> ReadBack:
        """Say what the root shows of a write that may have been sent.

        Raises:
            RootUnavailable: the root does not answer.
            RootRefused: the root refuses the key.
        """
        return await readback.shown(self._client, tenant_id, proposal, precondition)


def _call(proposal: WritebackProposal) -> tuple[str, str]:
    """Return the write that a proposal is; catalyst and sentinel have none."""
    match proposal.target.entity:
        case "lead":
            return crm.call_of(proposal)
        case "page":
            return oracle.call_of(proposal)
        case entity:
            raise RootRefused(f"the root has no {proposal.operation} on {entity}", code="unknown_write")

"""Asking the root whether it would take a write: before a person is asked, and once more just before it is sent."""

from __future__ import annotations

from typing import Any

from adapters.root.client import RootClient
from adapters.root.replies import refuse
from contracts.clock import rfc3339
from contracts.errors import RootRefused
from contracts.evidence import WritebackProposal
from contracts.ports import Granted, Mission, Refusal

PATH = "/api/colony/writebacks/validate"

_SENT = {"proposal_id", "target", "operation", "precondition", "before", "after", "rationale", "payload_sha256"}
_NO_HOOK = frozenset({404, 405})
_MOST_REASONS, _LONGEST = 20, 500
_UNUSABLE = Refusal("malformed_payload", ("the root's answer to the validation can't be used",))


class RootValidator:
    """Satisfies ``ValidatorPort``.

    A root without the hook has nothing against a write, unless it must have one: then nothing is taken.
    """

    def __init__(self, client: RootClient, *, required: bool) -> None:
        self._client = client
        self._required = required

    async def refusal(
        self, mission: Mission, proposal: WritebackProposal, precondition: str | None, granted: Granted | None
    ) -> Refusal | None:
        """Return why the root refuses, or None.

        Raises:
            RootUnavailable: it does not answer.
        """
        reply = await self._client.consult(mission.tenant_id, PATH, _question(mission, proposal, precondition, granted))
        if reply.status in _NO_HOOK:
            return Refusal("validation_missing", ("the root has no validation",)) if self._required else None
        try:
            refuse(reply, "validation")
        except RootRefused as exc:
            return Refusal(exc.code, (exc.message,))
        return _read(reply.data)


def _question(
    mission: Mission, proposal: WritebackProposal, precondition: str | None, granted: Granted | None
) -> dict[str, Any]:
    approval = None
    if granted is not None:
        approval = {
            "interrupt_id": granted.interrupt_id,
            "approved_by": [granted.approved_by],
            "approved_at": rfc3339(granted.approved_at),
        }
    return {
        "phase": "before_approval" if granted is None else "before_write",
        "mission_id": mission.mission_id,
        "tenant_id": mission.tenant_id,
        "proposal": proposal.model_dump(mode="json", include=_SENT),
        "if_match": precondition,
        "approval": approval,
    }


def _read(data: dict[str, Any] | None) -> Refusal | None:
    """Read ``{verdict: accept | refuse, reasons: [{code, detail}]}``; what can't be read is a refusal."""
    verdict, reasons = (data or {}).get("verdict"), (data or {}).get("reasons")
    if verdict == "accept":
        return None
    if verdict != "refuse":
        return _UNUSABLE
    given = [r for r in reasons if isinstance(r, dict)][:_MOST_REASONS] if isinstance(reasons, list) else []
    if not given:
        return Refusal("root_refused", ("the root gave no reason",))
    code = given[0].get("code")
    said = (str(r.get("detail") or r.get("code") or "no reason")[:_LONGEST] for r in given)
    return Refusal(code if isinstance(code, str) and code else "root_refused", tuple(said))

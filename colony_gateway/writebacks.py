"""The root's side of a write: would it take this, and is what comes in what a person approved?"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from colony_gateway.client import ColonyGateway
from colony_gateway.values import Caller, Degraded, Problem

PATH = "/api/colony/writebacks/validate"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Target(_Value):
    """What a proposal would change."""

    system: str
    entity: str
    id: str


class Proposal(_Value):
    """A change that Colony proposes; ``payload_sha256`` binds target, operation, precondition, before and after."""

    proposal_id: str
    target: Target
    operation: Literal["patch", "note", "task", "message"]
    precondition: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    payload_sha256: str

    def says(self) -> str:
        """Return the hash of what it says, made anew: canonical JSON (sorted keys, no spaces), SHA-256."""
        bound = self.model_dump(mode="json", include={"target", "operation", "precondition", "before", "after"})
        text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


class Approval(_Value):
    """Who approved it, and when (RFC 3339)."""

    interrupt_id: str
    approved_by: tuple[str, ...]
    approved_at: str


class WritebackCheck(_Value):
    """What Colony asks: before a person is asked, and, with the approval, just before the write.

    Attributes:
        if_match: the version that the write will name; it differs from the proposal's precondition where the same
            mission has changed the object meanwhile.
    """

    phase: Literal["before_approval", "before_write"]
    mission_id: str
    tenant_id: str
    proposal: Proposal
    if_match: str | None
    approval: Approval | None


class Reason(_Value):
    """Why a write is refused. ``code`` is stable; ``precondition_stale`` means that the object has changed."""

    code: str
    detail: str = ""
    field: str | None = None


class Verdict(_Value):
    """The root's answer."""

    verdict: Literal["accept", "refuse"]
    reasons: tuple[Reason, ...] = ()


Judge = Callable[[WritebackCheck], Awaitable[Sequence[Reason]]]


async def judged(check: WritebackCheck, judge: Judge) -> Verdict:
    """Refuse what isn't bound to its hash or, before the write, has no approval; then ask the product's own judge."""
    reasons: Sequence[Reason]
    if check.proposal.says() != check.proposal.payload_sha256:
        reasons = [Reason(code="payload_changed", detail="the payload does not have the hash that it names")]
    elif check.phase == "before_write" and (check.approval is None or not check.approval.approved_by):
        reasons = [Reason(code="not_approved", detail="nobody approved it")]
    else:
        reasons = await judge(check)
    return Verdict(verdict="refuse" if reasons else "accept", reasons=tuple(reasons))


def writebacks_router(judge: Judge, *, admit: Callable[..., Any]) -> APIRouter:
    """Return a router with the hook that Colony asks, ``POST /api/colony/writebacks/validate``. It must write nothing.

    Args:
        judge: the product's own rules: the reasons against a write, none if it may go on.
        admit: the dependency with which the product admits Colony's key (its ``ROOT_API_KEY``).
    """
    router = APIRouter(tags=["colony"], dependencies=[Depends(admit)])

    async def validate(check: WritebackCheck) -> Verdict:
        """Say whether a write would be taken."""
        return await judged(check, judge)

    router.add_api_route(PATH, validate, methods=["POST"])
    return router


class ApprovedWrite(_Value):
    """A write that Colony says was approved, exactly as it came in."""

    mission_id: str
    proposal: Proposal


class ApprovedWrites:
    """A dependency for the product's own write routes: lets in what Colony says was approved, and nothing else.

    It takes mission, proposal and hash from the headers that Colony sends, fetches the mission, and holds the request
    against it: hash, target, operation and body. A write of the product's own people has no such headers: give them
    another route, or ``required=False`` and look at whether there is an `ApprovedWrite`.
    """

    def __init__(
        self, gateway: ColonyGateway, *, entity: str, operation: str, target: str, required: bool = True
    ) -> None:
        self._gateway = gateway
        self._expected = (entity, operation)
        self._target = target
        self._required = required

    async def __call__(self, request: Request) -> ApprovedWrite | None:
        """Return the approved write that a request is.

        Raises:
            HTTPException: 409, it is none; 503, Colony can't say.
        """
        mission_id = request.headers.get("X-Colony-Mission-Id")
        if mission_id is None:
            if self._required:
                raise _refused("not_approved", "the write names no mission")
            return None
        proposal = await self._intended(request, mission_id)
        came = (proposal.target.entity, proposal.operation, proposal.target.id)
        if came != (*self._expected, request.path_params.get(self._target)):
            raise _refused("payload_changed", "another change was approved than the one that came in")
        if proposal.says() != proposal.payload_sha256 or await _body(request) != proposal.after:
            raise _refused("payload_changed", "what came in is not what was approved")
        return ApprovedWrite(mission_id=mission_id, proposal=proposal)

    async def _intended(self, request: Request, mission_id: str) -> Proposal:
        mission = await self._gateway.mission(mission_id, Caller(tenant=request.headers.get("X-Colony-Tenant")))
        if isinstance(mission, Degraded):
            raise HTTPException(503, {"code": mission.code.value, "detail": mission.reason})
        written = None if isinstance(mission, Problem) else (mission.packet or {}).get("writebacks")
        named = (request.headers.get("X-Colony-Proposal-Id"), request.headers.get("X-Colony-Payload-Sha256"))
        for one in filter(lambda item: isinstance(item, dict), written if isinstance(written, list) else []):
            # Only what a person granted is ever intended, and what has an outcome is not written again.
            if (one.get("proposal_id"), one.get("payload_sha256"), one.get("status")) == (*named, "intended"):
                try:
                    return Proposal.model_validate(one)
                except ValidationError:
                    break
        raise _refused("not_approved", "Colony knows of no such approved write")


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, RecursionError):
        return None


def _refused(code: str, detail: str) -> HTTPException:
    return HTTPException(409, {"code": code, "detail": detail})

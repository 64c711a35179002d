"""Pending approvals as people see them: what would be written, on what ground, who has agreed, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapters.postgres.reader import MissionReader
from contracts.clock import rfc3339
from contracts.decisions import ApprovalRequest, GivenAnswer
from graph.standing import Standing, standings

_Row = Mapping[str, Any]
_Sources = Mapping[tuple[str, str], dict[str, Any]]


async def shown_approvals(reader: MissionReader, tenant_id: str, rows: Sequence[_Row]) -> list[dict[str, Any]]:
    """Return pending approvals as the queue shows them."""
    requests = [ApprovalRequest.model_validate_json(bytes(row["content"])) for row in rows]
    cited = {c.artifact_id for request in requests for p in request.proposals for c in p.citations}
    found: _Sources = {}
    if cited:
        kept = await reader.sources(tenant_id, [row["mission_id"] for row in rows], sorted(cited))
        found = {(s["mission_id"], s["artifact_id"]): _source(s) for s in kept}
    return [_approval(row, request, found) for row, request in zip(rows, requests, strict=True)]


def _source(row: _Row) -> dict[str, Any]:
    source = {key: row["source"].get(key, "") for key in ("system", "entity", "id", "title")}
    return {"artifact_id": row["artifact_id"], "kind": row["kind"], "trust": row["trust"], **source}


def _approval(row: _Row, request: ApprovalRequest, sources: _Sources) -> dict[str, Any]:
    given = [GivenAnswer.model_validate_json(bytes(content)) for content in row["answers"]]
    found = list(standings(request, given).values())
    required, agreed = _needed(request, found)
    escalates, escalated = row["escalate_at"], row["escalated_at"]
    return {
        "mission_id": row["mission_id"],
        "mission_type": row["mission_type"],
        "interrupt_id": row["interrupt_id"],
        "requested_by": row["actor_id"],
        "risk_level": row["risk_level"],
        "proposals": [one.proposal.model_dump(mode="json") for one in found],
        "standings": [_standing(row["mission_id"], one, sources) for one in found],
        "reasons": list(request.reasons),
        "required": required,
        "given": agreed,
        "answers": [_answer(one, at) for one, at in zip(given, row["answered_at"], strict=True)],
        "consequences": _consequences(found, required - agreed),
        "escalates_at": rfc3339(escalates) if escalates else None,
        "escalated_at": rfc3339(escalated) if escalated else None,
        "expires_at": rfc3339(row["expires_at"]),
        "age_ms": row["age_ms"],
    }


def _needed(request: ApprovalRequest, found: Iterable[Standing]) -> tuple[int, int]:
    """Return how many people the most demanding open proposal needs, and how many it has."""
    missing = [(s.ground.people - len(s.agreed), s.ground.people, len(s.agreed)) for s in found if not s.settled]
    return max(missing)[1:] if missing else (request.required, 0)


def _standing(mission_id: str, one: Standing, sources: _Sources) -> dict[str, Any]:
    artifacts = dict.fromkeys(c.artifact_id for c in one.proposal.citations)
    return {
        "proposal_id": one.proposal.proposal_id,
        "payload_sha256": one.proposal.payload_sha256,
        "standing": "turned_down" if one.refused_by else "agreed" if one.settled else "open",
        "required": one.ground.people,
        "given": len(one.agreed),
        "given_by": list(one.agreed_by),
        "edited_by": one.edited_by,
        "turned_down_by": one.refused_by,
        "proposed": one.proposed.after if one.edited_by else None,
        "rules": list(one.ground.rules),
        "reasons": list(one.ground.reasons),
        "sources": [sources[mission_id, a] for a in artifacts if (mission_id, a) in sources],
    }


def _answer(one: GivenAnswer, at: Any) -> dict[str, Any]:
    return {
        "actor_id": one.actor_id,
        "on_behalf_of": one.on_behalf_of,
        "at": rfc3339(at),
        "verdicts": {a.proposal_id: a.verdict.value for a in one.answers},
        "reason": one.reason,
    }


def _consequences(found: Sequence[Standing], missing: int) -> dict[str, str]:
    if not found:
        approve = "the mission is completed; nothing is written"
    elif missing > 1:
        approve = (
            f"it is kept, and {missing - 1} other person must agree to exactly the same before anything is written"
        )
    else:
        approve = "what is approved is written to the root at once, each change exactly once"
    return {
        "approve": approve,
        "reject": "nothing that is turned down is written; with everything turned down the mission ends as rejected",
        "expire": "the mission ends as expired and nothing is written; `colony missions retry` asks again",
    }

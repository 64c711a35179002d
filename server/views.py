"""How stored rows look to a client: the shapes of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.postgres.reader import MissionReader
from contracts.clock import rfc3339
from contracts.events import EventType
from contracts.mission import MissionEnvelope
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.released import released
from contracts.stateflow import Status
from server.approval_queue import shown_approvals

_SHOWN_PACKET = (
    "summary",
    "claims",
    "facts",
    "answer",
    "metrics",
    "findings",
    "next_steps",
    "drafts",
    "contradictions",
    "open_questions",
    "writebacks",
)


def links(mission_id: str) -> dict[str, str]:
    """Return where a mission's parts are."""
    base = f"/api/colony/missions/{mission_id}"
    return {"self": base, **{part: f"{base}/{part}" for part in ("events", "artifacts", "checkpoints", "bundle")}}


def submitted(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a submission, the same for every repeat of it."""
    mission_id = row["mission_id"]
    return {
        "mission_id": mission_id,
        "status": Status.RECEIVED.value,
        "trace_id": row["trace_id"],
        "links": links(mission_id),
    }


def _envelope(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the admitted envelope, or as much of it as is known before."""
    payload = row["payload"]
    admitted: dict[str, Any] | None = payload.get("envelope")
    if admitted is not None:
        return admitted
    names = ("mission_id", "tenant_id", "actor_id", "trace_id", "token_budget", "time_budget_ms")
    known = {**payload["request"], **{name: row[name] for name in names}, "schema_version": "v1"}
    return {name: known.get(name) for name in MissionEnvelope.model_fields}


def summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mission without what has to be read from other tables."""
    payload, envelope = row["payload"], _envelope(row)
    return {
        "mission_id": row["mission_id"],
        "mission_type": row["mission_type"],
        "status": row["status"],
        "stage": row["stage"],
        "envelope": envelope,
        "risk_level": envelope["risk_level"],
        "sensitivity_class": envelope["sensitivity_class"],
        "usage": {
            "tokens_in": row["tokens_in"],
            "tokens_out": row["tokens_out"],
            "cost_usd": float(row["cost_usd"]),
            "model_calls": row["model_calls"],
        },
        "failure": _failure(payload.get("failure")),
        "lineage": {
            "parent_mission_id": row["parent_mission_id"],
            "parent_checkpoint_id": row["parent_checkpoint_id"],
            "kind": row["lineage_kind"],
        },
        "graph_version": row["graph_version"],
        "trace_id": row["trace_id"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "links": links(row["mission_id"]),
    }


def _failure(failure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: failure.get(key, "") for key in ("code", "reason", "stage", "hint")} if failure else None


async def detail(reader: MissionReader, tenant_id: str, mission_id: str) -> dict[str, Any]:
    """Return a mission whole, with its packet and what it waits for.

    Raises:
        NotFound: there is no such mission for this tenant.
    """
    row = await reader.mission(tenant_id, mission_id)
    shown = summary(row)
    shown["packet"] = await packet(reader, tenant_id, mission_id)
    pending = None
    if row["status"] == Status.AWAITING_APPROVAL:
        waiting = await reader.approvals(tenant_id, mission_id, "pending")
        pending = (await shown_approvals(reader, tenant_id, waiting))[0] if waiting else None
    shown["pending_approval"] = pending
    return shown


async def packet(reader: MissionReader, tenant_id: str, mission_id: str) -> dict[str, Any] | None:
    """Return what the review released, with how each write ended; None as long as it has released nothing."""
    newest = await reader.newest(tenant_id, mission_id, "aggregation_packet", "review_packet")
    if len(newest) < 2:
        return None
    review = ReviewPacket.model_validate_json(bytes(newest["review_packet"]["content"]))
    if review.verdict != "release":
        return None
    merged = AggregationPacket.model_validate_json(bytes(newest["aggregation_packet"]["content"]))
    whole = released(merged, review).model_dump(mode="json")
    shown = {key: whole[key] for key in _SHOWN_PACKET} | {"taint": whole.get("taint", [])}
    effects = {w["proposal_id"]: w for w in await reader.writebacks(tenant_id, mission_id)}
    decided = await reader.approvals(tenant_id, mission_id, "decided")
    answers = {a["proposal_id"]: a["verdict"] for row in decided for a in row["decision"]["answers"]}
    refused = await reader.events(tenant_id, mission_id, 0, _MOST_WITHHELD, kind=EventType.PROPOSAL_WITHHELD)
    held = {event["payload"]["proposal_id"]: event["payload"] for event in refused}
    shown["writebacks"] = [
        _with_effect(p, effects.get(p["proposal_id"]), answers.get(p["proposal_id"]), held.get(p["proposal_id"]))
        for p in shown["writebacks"]
    ]
    shown["review"] = review.model_dump(mode="json")
    return shown


_MOST_WITHHELD = 1_000
_ANSWERED = {"approve": "approved", "edit": "approved", "reject": "rejected", None: "proposed"}


def _with_effect(
    proposal: dict[str, Any], effect: Mapping[str, Any] | None, verdict: str | None, held: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Show a proposal as it was written, which after an edit is not as it was proposed; or why it can't be."""
    if effect is None and held is not None and held["payload_sha256"] == proposal["payload_sha256"]:
        why = {"code": held["code"], "reason": "; ".join(held["reasons"])}
        return {**proposal, "status": "withheld", "outcome": why}
    if effect is None:
        return {**proposal, "status": _ANSWERED[verdict], "outcome": None}
    return {**proposal, **effect["payload"], "status": effect["status"], "outcome": effect["outcome"]}


def artifact(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an artifact as it was stored."""
    content = row["content"]
    return {
        "artifact_id": row["artifact_id"],
        "kind": row["kind"],
        "task_key": row["task_key"] or None,
        "revision": row["revision"],
        "sha256": row["sha256"],
        "status": row["status"],
        "created_at": rfc3339(row["created_at"]),
        "payload": json.loads(bytes(content)) if content is not None else row["payload"],
    }

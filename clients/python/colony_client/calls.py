"""The calls of the API as data, so that the two clients differ in how they wait and in nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

BASE = "/api/colony"
ENDED = frozenset({"completed", "blocked", "rejected", "cancelled", "expired", "failed"})
AT_REST = ENDED | {"awaiting_approval"}
"""Statuses in which a mission does not go on by itself."""
UNRECORDED = frozenset({"message.delta"})
"""Events of a stream that are not kept and have no seq."""
SETTLING = frozenset({"approval.requested", *(f"mission.{status}" for status in ENDED)})


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def settings(base_url: str | None, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """Return what both kinds of connection are opened with; what is not given comes from the environment."""
    url = base_url or os.environ.get("COLONY_SERVICE_BASE_URL", "http://127.0.0.1:8080")
    key = api_key or os.environ.get("COLONY_SERVICE_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return {"base_url": url.rstrip("/") + BASE, "headers": headers, "timeout": timeout_s}


def at(mission_id: str, *parts: str) -> str:
    """Return the path of a mission or of a part of it."""
    return "/".join(("/missions", *(quote(part, safe="") for part in (mission_id, *parts))))


def submit(
    mission_type: str, user_goal: str, inputs: Mapping[str, Any], key: str | None, more: Mapping[str, Any]
) -> Call:
    """Submit a mission."""
    body = {"mission_type": mission_type, "user_goal": user_goal, "inputs": dict(inputs), **more}
    return Call("POST", "/missions", body=body, headers=_once(key))


def _once(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


def listed(status: str | None, mission_type: str | None, cursor: str | None, limit: int) -> Call:
    """List missions."""
    given = {"status": status, "type": mission_type, "cursor": cursor, "limit": limit}
    return Call("GET", "/missions", {name: value for name, value in given.items() if value is not None})


def of(mission_id: str, *parts: str, **params: Any) -> Call:
    """Read a mission or a part of it."""
    return Call("GET", at(mission_id, *parts), {name: value for name, value in params.items() if value is not None})


def command(mission_id: str, name: str, reason: str | None) -> Call:
    """Tell a mission to do something."""
    return Call("POST", at(mission_id, name), body={} if reason is None else {"reason": reason})


def approve(
    mission_id: str, interrupt_id: str | None, decisions: Sequence[Mapping[str, Any]] | None, reason: str | None
) -> Call:
    """Give a person's answer."""
    given = {"interrupt_id": interrupt_id, "decisions": decisions, "reason": reason}
    return Call("POST", at(mission_id, "approve"), body={k: v for k, v in given.items() if v is not None})


def replay(
    mission_id: str,
    mode: str,
    checkpoint_id: str | None,
    overrides: Mapping[str, Any] | None,
    on_missing: str | None,
    key: str | None,
) -> Call:
    """Run a mission again."""
    given = {"mode": mode, "checkpoint_id": checkpoint_id, "overrides": overrides, "on_missing": on_missing}
    body = {k: v for k, v in given.items() if v is not None}
    return Call("POST", at(mission_id, "replay"), body=body, headers=_once(key))


def fork(mission_id: str, checkpoint_id: str, reason: str, updates: Mapping[str, Any] | None, key: str | None) -> Call:
    """Let a new mission go on from a checkpoint."""
    given = {"checkpoint_id": checkpoint_id, "reason": reason, "updates": updates}
    body = {k: v for k, v in given.items() if v is not None}
    return Call("POST", at(mission_id, "fork"), body=body, headers=_once(key))


def explain(decision_id: str) -> Call:
    """Ask why a policy decision came out as it did."""
    return Call("GET", f"/policies/decisions/{quote(decision_id, safe='')}")


def what_if(files: Mapping[str, str], since_ms: int, cursor: str | None) -> Call:
    """Ask which past decisions would have been others."""
    given = {"files": dict(files), "since_ms": since_ms, "cursor": cursor}
    return Call("POST", "/policies/what-if", body={k: v for k, v in given.items() if v is not None})


OUTSIDE = "../../"
"""Where the service's other routes are, seen from ``BASE``."""


def everything_approved(pending: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the answer that approves every proposal exactly as it was shown."""
    return [
        {"proposal_id": p["proposal_id"], "payload_sha256": p["payload_sha256"], "verdict": "approve"}
        for p in pending["proposals"]
    ]

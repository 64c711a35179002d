"""The rows that the bundle was made of: each as it was hashed when it was written, and all of them as the files say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from server.verify.contents import Contents
from server.verify.plain import Broken, Record, sha256_hex

KINDS = {
    "colony_plans": "plan",
    "colony_tasks": "task",
    "colony_prompt_packages": "prompt_package",
    "colony_librarian_passes": "librarian_pass",
    "colony_research_artifacts": "research_artifact",
    "colony_worker_results": "worker_result",
    "colony_aggregation_packets": "aggregation_packet",
    "colony_review_packets": "review_packet",
    "colony_policy_decisions": "policy_decision",
}
SETTLE = {"colony_missions", "colony_approvals", "colony_writebacks"}
"""What may change as the mission goes on."""
_NAMED = ("artifact_id", "revision", "task_key", "sha256")
_CALL = (
    *("call_id", "task_key", "revision", "status", "tier", "provider", "model", "request_sha256", "response_sha256"),
    *("tokens_in", "tokens_out", "usage_source", "cost_usd", "duration_ms", "reason", "created_at"),
)
_TOOL = ("call_id", "task_key", "revision", "status", "tool", "reason", "response_sha256", "created_at")
_APPROVAL = ("interrupt_id", "status", "decided_by", "decided_at", "expires_at", "created_at")
_GRANT = ("proposal_id", "payload_sha256", "interrupt_id", "actor_id", "sha256", "created_at")
_WRITE = ("proposal_id", "payload_sha256", "status", "idempotency_key", "created_at")
_MISSION = ("mission_id", "tenant_id", "actor_id", "mission_type", "graph_version", "trace_id", "created_at")
_LINEAGE = ("parent_mission_id", "parent_checkpoint_id", "lineage_kind")
_SPELLED = "%Y-%m-%dT%H:%M:%S.%fZ"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - runs on any Python 3


def hashed(c: Contents) -> dict[tuple[str, str], str]:
    """Return each row's hash by its table and key.

    Raises:
        Broken: one is listed twice, or is no row.
    """
    found: dict[tuple[str, str], str] = {}
    for row in c.rows:
        name = row.text("table"), row.text("key")
        if name in found:
            raise Broken(f"{row.where}: {name[0]} {name[1][:80]} is listed twice")
        found[name] = sha256_hex(row.text("told").encode())
    return found


def rows(c: Contents) -> str:
    """Hold the rows against the files.

    Raises:
        Broken: a row says something else than the file that shows it, or is of another mission.
    """
    if not c.rows:
        return "the bundle lists no rows: it is of the time before they had hashes"
    hashed(c)
    told: dict[str, list[Record]] = {}
    for row in c.rows:
        one = row.parsed("told")
        if one.text("mission_id") != c.mission_id or one.text("tenant_id") != c.mission.text("tenant_id"):
            raise Broken(f"{row.where}: it is a row of another mission")
        told.setdefault(row.text("table"), []).append(one)
    for table, kind in KINDS.items():
        _same(table, _NAMED, told, [r for r in c.index if r.text("kind") == kind])
    approvals = [Record(a.where, {**a.fields, "sha256": a.value("request_sha256")}) for a in c.approvals]
    _same("colony_approvals", (*_APPROVAL, "sha256"), told, approvals)
    _same("colony_approval_grants", _GRANT, told, c.grants)
    _same("colony_writebacks", _WRITE, told, c.writebacks)
    _same("colony_model_calls", _CALL, told, c.model_calls)
    _same("colony_tool_calls", _TOOL, told, c.tool_calls)
    whole = {**c.mission.fields, **c.mission.record("lineage").fields}
    _same("colony_missions", (*_MISSION, *_LINEAGE), told, [Record("mission.json", whole)])
    return f"{len(c.rows)} rows, each as the files show it"


def _same(table: str, names: Iterable[str], told: Mapping[str, list[Record]], shown: list[Record]) -> None:
    columns = list(names)
    stored = {tuple(row.value(name) for name in columns) for row in told.get(table, [])}
    listed = {tuple(_text(name, row.value(name)) for name in columns): row.where for row in shown}
    if odd := [where for values, where in listed.items() if values not in stored]:
        raise Broken(f"{odd[0]}: it is not what the row in {table} says")
    if stored != listed.keys():
        raise Broken(f"a row of {table} is in no file of the bundle")


def _text(name: str, value: Any) -> str | None:
    """Return a value as a row's hash covers it: a text, a moment as microseconds since 1970."""
    if value is None or not name.endswith("_at"):
        return None if value is None else str(value)
    moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    if moment.strftime(_SPELLED) != value:
        raise Broken(f"`{name}` is not spelled as a moment is: {str(value)[:40]}")
    return str((moment - _EPOCH) // timedelta(microseconds=1))

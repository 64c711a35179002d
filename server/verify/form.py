"""The one form of each list: which fields a line may have, and in which order lines stand, none of them twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from server.verify.plain import Broken, Record

_CALL = ("call_id", "task_key", "revision", "status", "reason", "response_sha256", "created_at")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "events": ("seq", "prev_hash", "hash", "body"),
    "artifacts": ("kind", "artifact_id", "revision", "task_key", "sha256", "file"),
    "approvals": (
        *("interrupt_id", "status", "decided_by", "request", "request_sha256", "decision", "decision_sha256"),
        *("created_at", "decided_at", "expires_at", "answers"),
    ),
    "grants": ("proposal_id", "payload_sha256", "interrupt_id", "actor_id", "sha256", "content", "created_at"),
    "writebacks": (
        *("proposal_id", "payload_sha256", "status", "outcome", "idempotency_key", "created_at", "updated_at"),
    ),
    "model_calls": (
        *_CALL,
        *("tier", "provider", "model", "request_sha256", "tokens_in", "tokens_out", "usage_source", "duration_ms"),
        "cost_usd",
    ),
    "tool_calls": (*_CALL, "tool", "arguments"),
    "constitutions": ("sha256", "version", "key_id", "content", "signature", "public_key"),
    "rows": ("table", "key", "told"),
    "roots": ("root", "leaf", "rows", "signature", "public_key", "proof"),
    "rules": ("rules_sha256", "content"),
}
_MISSION = frozenset(
    (
        *("mission_id", "tenant_id", "actor_id", "mission_type", "status", "stage", "graph_version", "trace_id"),
        *("request", "envelope", "failure", "lineage", "budget", "usage", "created_at"),
    )
)
_PARTS: Mapping[str, tuple[str, ...]] = {
    "lineage": ("parent_mission_id", "parent_checkpoint_id", "lineage_kind"),
    "budget": ("token_budget", "time_budget_ms"),
    "usage": ("tokens_in", "tokens_out", "model_calls", "cost_usd"),
}
_ORDER: Mapping[str, tuple[str, ...]] = {
    "artifacts": ("kind", "revision", "task_key", "artifact_id"),
    "approvals": ("interrupt_id",),
    "grants": ("proposal_id", "payload_sha256"),
    "writebacks": ("proposal_id", "payload_sha256"),
    "model_calls": ("call_id",),
    "tool_calls": ("call_id",),
    "constitutions": ("sha256",),
    "rows": ("table", "key"),
    "rules": ("rules_sha256",),
}
"""What names a line, and puts it into its place; events and roots are numbered, and their checks look at that."""
_COUNTED = {"events", "roots", "approvals", "grants", "writebacks"}
"""Lists of which a check of their own says what it means that something is there twice."""
_SINGLE = {"manifest.json", "mission.json", "packet.json"}


def known(names: Iterable[str]) -> None:
    """Go on only with files that a bundle has.

    Raises:
        Broken: there is another.
    """
    for name in names:
        if name not in _SINGLE and name.removesuffix(".jsonl") not in _FIELDS and not name.startswith("artifacts/"):
            raise Broken(f"the bundle holds a file that no bundle has: {name[:120]}")


def closed(mission: Record) -> Record:
    """Return a mission that has the fields that it may have.

    Raises:
        Broken: it has another.
    """
    odd = sorted(mission.fields.keys() - _MISSION)
    odd += [one for part, names in _PARTS.items() for one in sorted(mission.record(part).fields.keys() - set(names))]
    if odd:
        raise Broken(f"{mission.where}: `{odd[0][:40]}` is no field of a mission")
    return mission


def ordered(name: str, lines: list[Record]) -> list[Record]:
    """Return the lines of a list that are in its form.

    Raises:
        Broken: one has a field of no such list, or is not in its place.
    """
    fields = set(_FIELDS[name])
    last: tuple[str | int, ...] = ()
    for line in lines:
        if odd := sorted(line.fields.keys() - fields):
            raise Broken(f"{line.where}: `{odd[0][:40]}` is no field of {name}")
        place = tuple(line.whole(key) if key == "revision" else line.text(key) for key in _ORDER.get(name, ()))
        if place < last or (place == last and name not in _COUNTED):
            raise Broken(f"{line.where} is there twice, or is out of order")
        last = place
    return lines

"""The audit bundle of a mission: everything that is stored about it, as one zip that anybody can verify offline.

Stored bytes go in as they are stored. The same mission gives the same archive, byte for byte: names are sorted,
timestamps fixed, and nothing is compressed, so that the result does not hang on a compressor's version.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from adapters.postgres.reader import MissionReader, MissionRecord
from contracts.base import Contract
from contracts.canonical import canonical_bytes, sha256_hex
from contracts.clock import rfc3339
from contracts.errors import IntegrityBroken, TooLarge
from contracts.events import EventType
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.registry import Kind, read
from contracts.released import released
from server.verify.archive import MAX_BYTES, MAX_FILES
from server.verify.contents import BEFORE, FORMAT

StoredT = TypeVar("StoredT", bound=Contract)

Row = Mapping[str, Any]
_IN_MEMORY = 8 * 1024 * 1024
_WRITEBACK = ("proposal_id", "payload_sha256", "status", "outcome", "idempotency_key")
_MODEL_CALL = (
    *("call_id", "task_key", "revision", "status", "tier", "provider", "model", "request_sha256", "response_sha256"),
    *("tokens_in", "tokens_out", "usage_source", "duration_ms", "reason"),
)
_TOOL_CALL = ("call_id", "task_key", "revision", "status", "tool", "arguments", "reason", "response_sha256")
_USAGE = ("tokens_in", "tokens_out", "model_calls")


async def make_bundle(
    reader: MissionReader, tenant_id: str, mission_id: str, keys: Mapping[str, bytes] | None = None
) -> bytes:
    """Return a mission's audit bundle.

    Args:
        reader: where the mission is read.
        tenant_id: whose it is.
        mission_id: which.
        keys: the public keys that constitutions are signed with, by name, as far as they are known.

    Raises:
        NotFound: there is no such mission for this tenant.
        TooLarge: the mission has left more behind than a bundle can hold.
    """
    record = await reader.record(tenant_id, mission_id)
    texts = await reader.rule_texts(tenant_id, _rules(record))
    return await asyncio.to_thread(packed, replace(record, rules=texts), keys)


def packed(record: MissionRecord, keys: Mapping[str, bytes] | None = None) -> bytes:
    """Return the archive of a mission's rows."""
    files = _files(record)
    if record.rows:
        files |= _sealed(record)
    if record.constitutions:
        lines = (_constitution(row, keys or {}) for row in _sorted(record.constitutions, "sha256"))
        files["constitutions.jsonl"] = _lines(lines)
    files["manifest.json"] = _manifest(record, files)
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES * 9 // 10:
        raise TooLarge("the mission has left more behind than an audit bundle can hold", code="bundle_too_large")
    return archived(files)


def archived(files: Mapping[str, bytes]) -> bytes:
    """Return the one archive of these files."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(files):
                archive.writestr(_member(name), files[name])
        spool.seek(0)
        return spool.read()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


def _manifest(record: MissionRecord, files: Mapping[str, bytes]) -> bytes:
    m = record.mission
    return canonical_bytes(
        {
            "format": FORMAT if record.rows else BEFORE,
            "mission_id": m["mission_id"],
            "tenant_id": m["tenant_id"],
            "status": m["status"],
            "graph_version": m["graph_version"],
            "created_at": rfc3339(m["created_at"]),
            "events": {"seq": m["seq"], "head": m["head"]},
            "rules": _rules(record),
            "files": [
                {"file": name, "sha256": sha256_hex(content), "size": len(content)}
                for name, content in sorted(files.items())
            ],
        }
    )


def _rules(record: MissionRecord) -> list[str]:
    """Return the hashes of the rule sets that decided."""
    decisions = map(_plain, (row for row in record.artifacts if row["kind"] == Kind.POLICY_DECISION))
    return sorted({str(decision.get("rules_sha256")) for decision in decisions})


def _sealed(record: MissionRecord) -> dict[str, bytes]:
    """Return what proves the rest: rows as they were hashed, roots with their proofs, and the rules."""
    parts = ("root", "leaf", "rows")
    rules = (_columns(row, ("rules_sha256",)) | {"content": _text(row["content"])} for row in record.rules)
    return {
        "rows.jsonl": _lines(sorted(record.rows, key=lambda row: (row["table"], row["key"]))),
        "roots.jsonl": _lines(
            _columns(row, ("signature", "public_key", "proof")) | {name: _text(row[name]) for name in parts}
            for row in record.roots
        ),
        "rules.jsonl": _lines(rules),
    }


def _files(record: MissionRecord) -> dict[str, bytes]:
    index = sorted(record.artifacts, key=lambda r: (r["kind"], r["revision"], r["task_key"], r["artifact_id"]))
    files = {
        "mission.json": canonical_bytes(_mission(record.mission)),
        "events.jsonl": _lines(
            {"seq": r["seq"], "prev_hash": r["prev_hash"], "hash": r["hash"], "body": _text(r["content"])}
            for r in record.events
        ),
        "artifacts.jsonl": _lines(
            {k: row[k] for k in ("kind", "artifact_id", "revision", "task_key", "sha256")} | {"file": _place(row)}
            for row in index
        ),
        "approvals.jsonl": _lines(_approval(row) for row in _sorted(record.approvals, "interrupt_id")),
        "grants.jsonl": _lines(_grant(row) for row in _sorted(record.grants, "proposal_id")),
        "writebacks.jsonl": _lines(
            _columns(row, _WRITEBACK) | _times(row, "created_at", "updated_at")
            for row in _sorted(record.writebacks, "proposal_id")
        ),
        "model_calls.jsonl": _lines(
            _columns(row, _MODEL_CALL) | {"cost_usd": str(row["cost_usd"])} | _times(row, "created_at")
            for row in _sorted(record.model_calls, "call_id")
        ),
        "tool_calls.jsonl": _lines(
            _columns(row, _TOOL_CALL) | _times(row, "created_at") for row in _sorted(record.tool_calls, "call_id")
        ),
    }
    # Of two rows of one name the one that was changed must not hide behind the other.
    changed_last = sorted(index, key=lambda row: sha256_hex(bytes(row["content"])) != row["sha256"])
    files |= {_place(row): bytes(row["content"]) for row in changed_last}
    packet = _packet(record)
    return files if packet is None else files | {"packet.json": packet}


def _mission(m: Row) -> dict[str, Any]:
    payload = m["payload"]
    names = ("mission_id", "tenant_id", "actor_id", "mission_type", "status", "stage", "graph_version", "trace_id")
    return {
        **_columns(m, names),
        "request": payload["request"],
        "envelope": payload.get("envelope"),
        "failure": payload.get("failure"),
        "lineage": _columns(m, ("parent_mission_id", "parent_checkpoint_id", "lineage_kind")),
        "budget": _columns(m, ("token_budget", "time_budget_ms")),
        "usage": _columns(m, _USAGE) | {"cost_usd": str(m["cost_usd"])},
        "created_at": rfc3339(m["created_at"]),
    }


def _approval(row: Row) -> dict[str, Any]:
    decision = None if row["decision_content"] is None else bytes(row["decision_content"])
    answers = {"answers": [_text(content) for content in row["answers"]]} if row.get("answers") else {}
    return {
        **_columns(row, ("interrupt_id", "status", "decided_by")),
        "request": _text(row["content"]),
        "request_sha256": row["sha256"],
        "decision": None if decision is None else _text(decision),
        "decision_sha256": None if decision is None else sha256_hex(decision),
        **_times(row, "created_at", "decided_at", "expires_at"),
        **answers,
    }


def _constitution(row: Row, keys: Mapping[str, bytes]) -> dict[str, Any]:
    public = keys.get(row["key_id"])
    return {
        **_columns(row, ("sha256", "version", "key_id")),
        "content": _text(row["content"]),
        "signature": base64.b64encode(bytes(row["signature"])).decode(),
        "public_key": None if public is None else base64.b64encode(public).decode(),
    }


def _grant(row: Row) -> dict[str, Any]:
    names = ("proposal_id", "payload_sha256", "interrupt_id", "actor_id", "sha256")
    return _columns(row, names) | {"content": _text(row["content"])} | _times(row, "created_at")


def _packet(record: MissionRecord) -> bytes | None:
    """Return what was released: the last aggregation the chain names, as the review after it lets it through.

    What was changed in the store goes into the bundle as it is now and releases nothing: it is for the verifier to say.
    """
    packet: AggregationPacket | None = None
    review: ReviewPacket | None = None
    stored = {row["artifact_id"]: row for row in record.artifacts}
    for event in map(_plain, record.events):
        if event.get("event_type") == EventType.AGGREGATION_COMPLETED:
            packet, review = _stored(stored, event.get("artifact_id"), AggregationPacket), None
        elif event.get("event_type") in {EventType.REVIEW_COMPLETED, EventType.REVIEW_REVISED}:
            review = _stored(stored, event.get("artifact_id"), ReviewPacket)
    if packet is None or review is None or review.verdict != "release":
        return None
    return released(packet, review).canonical()


def _stored(rows: Mapping[str, Row], artifact_id: Any, model: type[StoredT]) -> StoredT | None:
    row = rows.get(str(artifact_id))
    try:
        found = None if row is None else read(Kind(row["kind"]), bytes(row["content"]), row["sha256"])
    except IntegrityBroken:
        return None
    return found if isinstance(found, model) else None


def _plain(row: Row) -> dict[str, Any]:
    """Return what a row's bytes say, which is nothing where somebody has made them unreadable."""
    try:
        value = json.loads(bytes(row["content"]))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _place(row: Row) -> str:
    return f"artifacts/{row['kind']}/{row['artifact_id']}.json"


def _columns(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _times(row: Row, *names: str) -> dict[str, str | None]:
    moments: dict[str, datetime | None] = {name: row[name] for name in names}
    return {name: None if moment is None else rfc3339(moment) for name, moment in moments.items()}


def _sorted(rows: Iterable[Row], key: str) -> list[Row]:
    """Sort by code point: a database's collation must not decide what a bundle looks like."""
    return sorted(rows, key=lambda row: str(row[key]))


def _text(content: bytes) -> str:
    return bytes(content).decode("utf-8", "replace")


def _lines(rows: Iterable[Row]) -> bytes:
    return b"".join(canonical_bytes(dict(row)) + b"\n" for row in rows)

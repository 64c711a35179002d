"""How rows become contracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.postgres.vault import MissionVault, Vault
from contracts.base import ActorId, MissionId, TenantId
from contracts.canonical import sha256_hex
from contracts.decisions import PolicyDecision
from contracts.errors import IntegrityBroken
from contracts.lineage import Rehearsal
from contracts.mission import MissionEnvelope, MissionRequest
from contracts.ports import Mission
from contracts.registry import Kind, read
from contracts.stateflow import Stage, Status
from contracts.tape import Channel, Taped


@contextmanager
def intact(what: str) -> Iterator[None]:
    """Read something stored in the block.

    Raises:
        IntegrityBroken: it can't be read: somebody changed it, or another version wrote it.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IntegrityBroken(f"the stored {what} can't be read") from exc


def decisions_of(rows: Iterable[Mapping[str, Any]], vault: MissionVault) -> list[PolicyDecision]:
    """Read a mission's policy decisions.

    Raises:
        IntegrityBroken: one was changed.
    """
    opened = (vault.opened("colony_policy_decisions", dict(row)) for row in rows)
    found = (read(Kind.POLICY_DECISION, bytes(row["content"]), row["sha256"]) for row in opened)
    return [one for one in found if isinstance(one, PolicyDecision)]


def mission_of(row: Mapping[str, Any]) -> Mission:
    """Read a mission's row, joined with its budget.

    Raises:
        IntegrityBroken: it can't be read.
    """
    with intact("mission"):
        return _mission(row)


def _mission(row: Mapping[str, Any]) -> Mission:
    payload = row["payload"]
    envelope = payload.get("envelope")
    return Mission(
        mission_id=MissionId(row["mission_id"]),
        tenant_id=TenantId(row["tenant_id"]),
        actor_id=ActorId(row["actor_id"]),
        request=MissionRequest.model_validate(payload["request"]),
        status=Status(row["status"]),
        stage=Stage(row["stage"]),
        trace_id=row["trace_id"],
        graph_version=row["graph_version"],
        epoch=row["epoch"],
        token_budget=row["token_budget"],
        time_budget_ms=row["time_budget_ms"],
        approval_timeout_ms=payload["approval_timeout_ms"],
        tokens_spent=row.get("tokens_in", 0) + row.get("tokens_out", 0),
        tokens_reserved=row.get("tokens_reserved", 0),
        time_spent_ms=row.get("time_spent_ms", 0),
        envelope=MissionEnvelope.model_validate(envelope) if envelope else None,
        step_key=row["step_key"],
        step_update=row["step_update"],
        traceparent=payload.get("traceparent", ""),
        approval_escalate_ms=payload.get("approval_escalate_ms"),
        rehearsal=Rehearsal.model_validate(payload["rehearsal"]) if payload.get("rehearsal") else None,
    )


def taped_of(rows: Iterable[Mapping[str, Any]], vault: Vault, tenant_id: str) -> list[Taped]:
    """Read a tape of a tenant's.

    Raises:
        IntegrityBroken: a recorded text is not what it was, or is gone.
    """
    with intact("recording"):
        return [_taped(_opened(row, vault, tenant_id)) for row in rows]


def _opened(row: Mapping[str, Any], vault: Vault, tenant_id: str) -> dict[str, Any]:
    texts = {"request": row["request_sha256"], "answer": row["answer_sha256"]}
    opened = {
        name: vault.opened("colony_recorded", tenant_id, {"content": row[name]}, sha256=sha256)["content"]
        for name, sha256 in texts.items()
    }
    return {**row, **opened}


def _taped(row: Mapping[str, Any]) -> Taped:
    channel, answer = Channel(row["channel"]), row["answer"]
    request = _text(row["request"], row["request_sha256"])
    kept = None if channel is Channel.ARTIFACT or row["answer_sha256"] is None else _text(answer, row["answer_sha256"])
    return Taped(
        channel=channel,
        stage=Stage(row["stage"]),
        revision=row["revision"],
        task_key=row["task_key"],
        request=request,
        answer=kept,
        answer_sha256=row["answer_sha256"],
        epoch=row["epoch"],
    )


def _text(content: Any, sha256: str) -> bytes:
    if content is None or sha256_hex(bytes(content)) != sha256:
        raise IntegrityBroken("a recorded text is not what it was, or is gone")
    return bytes(content)

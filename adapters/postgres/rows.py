"""How contracts become the columns of a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from contracts.base import Contract
from contracts.canonical import sha256_hex
from contracts.events import RuntimeEvent
from contracts.evidence import WorkerResult
from contracts.ports import ModelCall, ToolCall
from contracts.tape import Taped
from contracts.tasks import LibrarianPass, PromptPackage, Task


def task_key(contract: Contract) -> str:
    """Return the task an artifact belongs to, or nothing for those of the whole mission."""
    match contract:
        case Task() | PromptPackage() | LibrarianPass() | WorkerResult():
            return contract.task_key
        case _:
            return ""


def encoded(artifacts: Sequence[Contract]) -> list[bytes]:
    """Return the bytes to store, with every hash made; large evidence must not keep the process waiting."""
    for contract in artifacts:
        contract.sha256()
    return [contract.canonical() for contract in artifacts]


def event_params(event: RuntimeEvent) -> dict[str, Any]:
    """Return an event's columns."""
    return {
        "seq": event.seq,
        "event_id": event.event_id,
        "event_type": event.event_type.value,
        "actor": event.actor,
        "payload": Jsonb(event.payload),
        "content": event.body(),
        "prev_hash": event.prev_hash,
        "hash": event.hash,
        "created_at": event.timestamp,
    }


def call_params(call: ModelCall) -> dict[str, Any]:
    """Return a model call's columns."""
    return {
        "call_id": call.call_id,
        "task_key": call.task_key,
        "status": call.status,
        "tier": call.tier.value,
        "provider": call.provider,
        "model": call.model,
        "request_sha256": sha256_hex(call.request),
        "response_sha256": sha256_hex(call.response),
        "tokens_in": call.tokens_in,
        "tokens_out": call.tokens_out,
        "usage_source": call.usage_source,
        "cost_usd": call.cost_usd,
        "duration_ms": call.duration_ms,
        "reason": call.reason,
    }


def tool_params(call: ToolCall) -> dict[str, Any]:
    """Return a tool call's columns."""
    return {
        "call_id": call.call_id,
        "task_key": call.task_key,
        "status": call.status,
        "tool": call.tool,
        "arguments": Jsonb(dict(call.arguments)),
        "response_sha256": None if call.response is None else sha256_hex(call.response),
        "reason": call.reason,
    }


def taped_params(one: Taped) -> dict[str, Any]:
    """Return the columns of one exchange; its texts are stored beside it, by their hashes."""
    answer = one.answer_sha256 if one.answer is None else sha256_hex(one.answer)
    return {
        "stage": one.stage.value,
        "revision": one.revision,
        "task_key": one.task_key,
        "channel": one.channel.value,
        "request_sha256": one.request_sha256,
        "answer_sha256": answer,
    }


def texts_of(taped: Iterable[Taped]) -> list[dict[str, Any]]:
    """Return the texts of a tape by their hashes, in an order that is the same for all.

    Two units that store the same texts wait for each other: all of them must take the same way.
    """
    texts = {sha256_hex(text): text for one in taped for text in (one.request, one.answer) if text is not None}
    return [{"sha256": name, "content": texts[name]} for name in sorted(texts)]

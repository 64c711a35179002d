"""How contracts become the columns of a row."""

from __future__ import annotations

import hashlib
from typing import Any

from psycopg.types.json import Jsonb

from contracts.base import Contract
from contracts.events import RuntimeEvent
from contracts.evidence import WorkerResult
from contracts.ports import ModelCall, ToolCall
from contracts.tasks import LibrarianPass, PromptPackage, Task


def task_key(contract: Contract) -> str:
    """Return the task an artifact belongs to, or nothing for those of the whole mission."""
    match contract:
        case Task() | PromptPackage() | LibrarianPass() | WorkerResult():
            return contract.task_key
        case _:
            return ""


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
        "request_sha256": hashlib.sha256(call.request).hexdigest(),
        "request": call.request,
        "response": call.response,
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
        "response": call.response,
        "reason": call.reason,
    }

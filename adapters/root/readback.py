"""Reading back whether a write happened, from what the root shows now; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from adapters.root.client import RootClient
from adapters.root.reading import MAX_PAGES
from adapters.root.replies import KEY_REFUSED
from contracts.errors import NotFound, RootRefused
from contracts.evidence import WritebackProposal


class Shown(StrEnum):
    """What the root shows of a proposal.

    ``done``: it reads as if it had been written. ``undone``: the object is as the proposal found it, or holds no such
    entry. ``changed``: the object has another version, which the write's precondition refuses. ``unknown``: the root
    shows nothing to judge by.
    """

    DONE = "done"
    UNDONE = "undone"
    CHANGED = "changed"
    UNKNOWN = "unknown"


async def shown(root: RootClient, tenant_id: str, proposal: WritebackProposal) -> Shown:
    """Say whether a proposal was written.

    Raises:
        RootUnavailable: the root does not answer.
        RootRefused: the root refuses the key.
    """
    try:
        if proposal.operation == "patch":
            return await _patched(root, tenant_id, proposal)
        return await _listed(root, tenant_id, proposal)
    except NotFound:
        return Shown.CHANGED if proposal.operation == "patch" else Shown.UNKNOWN
    except RootRefused as exc:
        if exc.code == KEY_REFUSED:
            raise
        return Shown.UNKNOWN


async def _patched(root: RootClient, tenant_id: str, proposal: WritebackProposal) -> Shown:
    read = root.get_lead if proposal.target.entity == "lead" else root.get_page
    data, etag = await read(tenant_id, proposal.target.id)
    if etag is not None and etag == proposal.precondition:
        return Shown.UNDONE
    return Shown.DONE if _holds(data, proposal.after) else Shown.CHANGED


async def _listed(root: RootClient, tenant_id: str, proposal: WritebackProposal) -> Shown:
    cursor = None
    for _ in range(MAX_PAGES):
        data, _etag = await root.list_activities(tenant_id, proposal.target.id, f"{proposal.operation}s", cursor)
        items = data.get("items")
        if not isinstance(items, list):
            return Shown.UNKNOWN
        if any(isinstance(item, Mapping) and _holds(item, proposal.after) for item in items):
            return Shown.DONE
        if not (cursor := data.get("next_cursor")):
            return Shown.UNDONE
    return Shown.UNKNOWN


def _holds(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(data.get(name) == value for name, value in wanted.items())

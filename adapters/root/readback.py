"""Reading back whether a write happened, from what the root shows now; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.root.client import RootClient
from adapters.root.reading import MAX_PAGES
from adapters.root.replies import KEY_REFUSED
from contracts.errors import NotFound, RootRefused
from contracts.evidence import WritebackProposal
from contracts.ports import ReadBack, Shown


async def shown(
    root: RootClient, tenant_id: str, proposal: WritebackProposal, precondition: str | None = None
) -> ReadBack:
    """Say whether a proposal was written.

    ``precondition`` is the version it was sent against, the proposal's own when left out.

    Raises:
        RootUnavailable: the root does not answer.
        RootRefused: the root refuses the key.
    """
    try:
        if proposal.operation == "patch":
            return await _patched(root, tenant_id, proposal, precondition or proposal.precondition)
        return ReadBack(await _listed(root, tenant_id, proposal))
    except NotFound:
        return ReadBack(Shown.CHANGED if proposal.operation == "patch" else Shown.UNKNOWN)
    except RootRefused as exc:
        if exc.code == KEY_REFUSED:
            raise
        return ReadBack(Shown.UNKNOWN)


async def _patched(root: RootClient, tenant_id: str, proposal: WritebackProposal, precondition: str | None) -> ReadBack:
    read = root.get_lead if proposal.target.entity == "lead" else root.get_page
    data, etag, _size = await read(tenant_id, proposal.target.id)
    if precondition is not None and etag == precondition:
        return ReadBack(Shown.UNDONE, etag, data)
    if _holds(data, proposal.after):
        return ReadBack(Shown.DONE, etag, data)
    # Where the root gives no versions, what the proposal found is all there is to go by.
    untouched = precondition is None and proposal.before and _holds(data, proposal.before)
    return ReadBack(Shown.UNDONE if untouched else Shown.CHANGED, etag, data)


async def _listed(root: RootClient, tenant_id: str, proposal: WritebackProposal) -> Shown:
    cursor = None
    for _ in range(MAX_PAGES):
        data = (await root.list_activities(tenant_id, proposal.target.id, f"{proposal.operation}s", cursor)).data
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

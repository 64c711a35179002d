"""The tools that read the root. Each answers ``{items: [{entity, id, title, etag, data}]}`` of plain JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from adapters.root import crm, oracle, sentinel
from adapters.root.client import RootClient
from adapters.root.documents import DocumentSearch
from adapters.root.reading import every_page, version_of
from adapters.root.tables import RootTables
from contracts.errors import PassRefused

Items = list[dict[str, Any]]
Tool = Callable[["RootTools", Mapping[str, Any]], Awaitable[Items]]


class RootTools:
    """Satisfies ``ToolPort`` for one tenant. Only ever called through the wrapped port that checks the pass."""

    def __init__(self, client: RootClient, tenant_id: str) -> None:
        self._client = client
        self._tenant = tenant_id

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a tool by name.

        Raises:
            PassRefused: there is no such tool.
        """
        if tool not in _TOOLS:
            raise PassRefused(f"there is no tool {tool}", code="unknown_tool")
        return {"items": await _TOOLS[tool](self, arguments)}

    async def get_lead(self, arguments: Mapping[str, Any]) -> Items:
        """Return one lead with its ETag."""
        lead_id = str(arguments["lead_id"])
        fetched = await self._client.get_lead(self._tenant, lead_id)
        lead = crm.lead(fetched.data, lead_id)
        return [_item("lead", lead_id, crm.title(lead), lead, version_of(fetched, lead, "lead"))]

    async def get_chat(self, arguments: Mapping[str, Any]) -> Items:
        """Return every conversation of a lead, one item each."""
        lead_id = str(arguments["lead_id"])
        pages = await every_page(partial(self._client.get_chat, self._tenant, lead_id), "chat")
        # Megabytes of messages take seconds, which are not taken from the event loop.
        found = await asyncio.to_thread(crm.conversations, [page.data for page in pages], lead_id)
        return [_item("chat", c["conversation_id"], c["channel"], c, None) for c in found]

    async def get_kanban(self, arguments: Mapping[str, Any]) -> Items:
        """Return the board's stages in order, without the counts that change from minute to minute."""
        return [_item("board", "kanban", "board", crm.board((await self._client.get_kanban(self._tenant)).data), None)]

    async def get_signals(self, arguments: Mapping[str, Any]) -> Items:
        """Return what was noticed about a lead, all in one item; nothing when nothing was."""
        lead_id = str(arguments["lead_id"])
        pages = await every_page(partial(self._client.get_signals, self._tenant, lead_id), "signals")
        found = await asyncio.to_thread(sentinel.signals, [page.data for page in pages])
        return [_item("signals", lead_id, "signals", {"items": found}, None)] if found else []

    async def search_documents(self, arguments: Mapping[str, Any]) -> Items:
        """Return the passages that match a query best; only of the named documents when ids are given."""
        ids = arguments.get("document_ids")
        return await DocumentSearch(self._client, self._tenant).passages(
            str(arguments["query"]), None if ids is None else [str(i) for i in ids]
        )

    async def get_page(self, arguments: Mapping[str, Any]) -> Items:
        """Return one page with its ETag."""
        page_id = str(arguments["page_id"])
        fetched = await self._client.get_page(self._tenant, page_id)
        page = oracle.page(fetched.data, page_id)
        return [_item("page", page_id, str(page.get("title") or page_id), page, version_of(fetched, page, "page"))]

    async def get_campaign(self, arguments: Mapping[str, Any]) -> Items:
        """Return a campaign as a table, and the tables it refers to."""
        return await RootTables(self._client, self._tenant).campaign(str(arguments["campaign_id"]))

    async def get_dataset(self, arguments: Mapping[str, Any]) -> Items:
        """Return an imported table by its name, and the tables it refers to."""
        return await RootTables(self._client, self._tenant).dataset(str(arguments["dataset"]))


def _item(entity: str, name: str, title: str, data: Mapping[str, Any], etag: str | None) -> dict[str, Any]:
    return {"entity": entity, "id": name, "title": title, "etag": etag, "data": dict(data)}


_TOOLS: dict[str, Tool] = {
    "root.get_lead": RootTools.get_lead,
    "root.get_chat": RootTools.get_chat,
    "root.get_kanban": RootTools.get_kanban,
    "root.get_signals": RootTools.get_signals,
    "root.search_documents": RootTools.search_documents,
    "root.get_page": RootTools.get_page,
    "root.get_campaign": RootTools.get_campaign,
    "root.get_dataset": RootTools.get_dataset,
}

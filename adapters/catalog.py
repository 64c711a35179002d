"""The source catalog: what can be looked at, by which tool, bound to which of the mission's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from contracts.ports import LedgerPort, SourceCard
from contracts.tasks import PheromoneSignal

SOURCES: tuple[SourceCard, ...] = (
    SourceCard("lead", "root.get_lead", {"lead_id": "lead_id"}, "the lead's record in the CRM"),
    SourceCard("chat", "root.get_chat", {"lead_id": "lead_id"}, "the conversations with the lead"),
    SourceCard("board", "root.get_kanban", {}, "the board's stages in order"),
    SourceCard(
        "signals",
        "root.get_signals",
        {"lead_id": "lead_id"},
        "what was noticed about the lead",
        may_be_absent=True,
    ),
    SourceCard(
        "documents",
        "root.search_documents",
        {"query": "question", "document_ids": "document_ids"},
        "the documents that were imported",
        optional=frozenset({"document_ids"}),
    ),
    SourceCard(
        "campaign",
        "root.get_campaign",
        {"campaign_id": "campaign_id"},
        "a campaign's rows and the tables they refer to",
    ),
    SourceCard("dataset", "root.get_dataset", {"dataset": "dataset"}, "an imported table and those it refers to"),
    SourceCard("page", "root.get_page", {"page_id": "page"}, "the page the answer may be written to"),
)


class RootCatalog:
    """Satisfies ``CatalogPort``: the shipped sources, and the tenant's own signals about them."""

    def __init__(self, ledger: LedgerPort) -> None:
        self._ledger = ledger

    def sources(self) -> Sequence[SourceCard]:
        """Return the source catalog."""
        return SOURCES

    async def signals(self, mission_type: str) -> Sequence[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's signals for a mission class."""
        return await self._ledger.signals(mission_type)

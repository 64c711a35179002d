"""What each mission class may do at most, as data: how large a plan, which kinds of task, sources, tools and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.mission import MissionClass
from contracts.tasks import TaskKind


@dataclass(frozen=True)
class Limits:
    """Sizes that hold for every mission class.

    Attributes:
        max_tasks: tasks in one plan.
        max_depth: tasks on the longest chain of dependencies.
        max_parts: parts that one task may be split into.
        max_focus: characters of what a part is about.
        usual_calls: tool calls one pass may grant without a person's look.
        max_calls: tool calls one pass may grant at all.
        max_ttl_ms: longest life of a pass.
        max_token_budget: tokens a mission may ask for, unless the tenant says otherwise.
        max_time_budget_ms: working time a mission may ask for, unless the tenant says otherwise.
    """

    max_tasks: int = 12
    max_depth: int = 6
    max_parts: int = 4
    max_focus: int = 400
    usual_calls: int = 40
    max_calls: int = 200
    max_ttl_ms: int = 3_600_000
    max_token_budget: int = 100_000_000
    max_time_budget_ms: int = 86_400_000


LIMITS = Limits()


@dataclass(frozen=True)
class Tool:
    """One tool as policy sees it.

    Attributes:
        source: the catalog's source it reads or writes.
        arguments: its arguments; each with the mission inputs its value must come from, or none if it is free.
        one_of: it must be given one of these, or it would read more than one thing.
        writes: whether it changes anything.
        external: whether what it is told leaves the product.
    """

    source: str
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    writes: bool = False
    external: bool = False


_FREE: tuple[str, ...] = ()
_LEAD = {"lead_id": ("lead_id",)}
_PAGE = {"page_id": ("page",), "page": ("page",), "branch": ("branch",)}
_LIST = {"limit": _FREE, "cursor": _FREE, "branch": ("branch",)}
_DOCUMENTS = ("document_ids", "dataset")

TOOLS: Mapping[str, Tool] = {
    "root.get_lead": Tool("lead", _LEAD, ("lead_id",)),
    "root.get_chat": Tool("chat", _LEAD | {"limit": _FREE, "cursor": _FREE}, ("lead_id",)),
    "root.get_kanban": Tool("board"),
    "root.get_signals": Tool("signals", _LEAD, ("lead_id",)),
    "root.list_documents": Tool("documents", _LIST | {"document_ids": _DOCUMENTS}),
    "root.search_documents": Tool("documents", _LIST | {"query": _FREE, "document_ids": _DOCUMENTS}),
    "root.get_document": Tool("documents", {"document_id": _DOCUMENTS}, ("document_id",)),
    "root.get_page": Tool("page", _PAGE, ("page_id", "page")),
    "root.get_campaign": Tool(
        "campaign", {"campaign_id": ("campaign_id", "dataset"), "period": ("period",)}, ("campaign_id",)
    ),
    "root.get_dataset": Tool("dataset", {"dataset": ("dataset",)}, ("dataset",)),
    "web.search": Tool("web", {"query": _FREE, "limit": _FREE}, external=True),
    "web.open": Tool("web", {"url": _FREE}, ("url",), external=True),
    "root.patch_lead": Tool("lead", writes=True),
    "root.add_note": Tool("lead", writes=True),
    "root.add_task": Tool("lead", writes=True),
    "root.send_message": Tool("lead", writes=True),
    "root.patch_page": Tool("page", writes=True),
}
"""Every tool there is. One that is not here can't be granted."""

OPEN_WHEN_ABSENT = frozenset({_DOCUMENTS})
"""Inputs that narrow when given; without them the whole of the tenant's collection is the mission's own."""

EXTERNAL_SOURCES = frozenset(tool.source for tool in TOOLS.values() if tool.external)

WRITE_TOOLS: Mapping[tuple[str, str], str] = {
    ("lead", "patch"): "root.patch_lead",
    ("lead", "note"): "root.add_note",
    ("lead", "task"): "root.add_task",
    ("lead", "message"): "root.send_message",
    ("page", "patch"): "root.patch_page",
}
"""The tool that does an operation on an entity."""

TARGET_INPUTS: Mapping[str, str] = {"lead": "lead_id", "page": "page"}
"""The mission input that says which entity of a kind is the mission's own."""

ROOT_SYSTEMS = frozenset({"root", "crm", "oracle"})
"""The names under which proposals may address the product's own backend."""


@dataclass(frozen=True)
class Allowance:
    """What missions of one class may need, call and propose."""

    kinds: frozenset[TaskKind]
    sources: frozenset[str]
    tools: frozenset[str]
    writes: frozenset[str] = frozenset()


_K = TaskKind
_DOCUMENT_TOOLS = frozenset({"root.list_documents", "root.search_documents", "root.get_document"})
_WEB_TOOLS = frozenset({"web.search", "web.open"})

ALLOWANCES: dict[MissionClass, Allowance] = {
    MissionClass.CRM_LEAD_INTELLIGENCE: Allowance(
        kinds=frozenset(
            {
                _K.EXTRACT_FACTS,
                _K.ASSESS_ENGAGEMENT,
                _K.ASSESS_STAGE,
                _K.RECOMMEND_NEXT_STEPS,
                _K.DRAFT_MESSAGE,
                _K.PROPOSE_WRITEBACKS,
            }
        ),
        sources=frozenset({"lead", "chat", "board", "signals"}),
        tools=frozenset({"root.get_lead", "root.get_chat", "root.get_kanban", "root.get_signals"}),
        writes=frozenset({"root.patch_lead", "root.add_note", "root.add_task", "root.send_message"}),
    ),
    MissionClass.ORACLE_ADVISORY: Allowance(
        kinds=frozenset({_K.ANSWER_QUESTION, _K.EXTRACT_FACTS, _K.PROPOSE_WRITEBACKS}),
        sources=frozenset({"documents", "page", "lead", "chat", "web"}),
        tools=_DOCUMENT_TOOLS | _WEB_TOOLS | {"root.get_page", "root.get_lead", "root.get_chat"},
        writes=frozenset({"root.patch_page"}),
    ),
    MissionClass.CATALYST_STRATEGY_BRIEF: Allowance(
        kinds=frozenset(
            {
                _K.ANSWER_QUESTION,
                _K.EXTRACT_FACTS,
                _K.RECOMMEND_NEXT_STEPS,
                _K.COMPUTE_METRICS,
                _K.STATE_FINDINGS,
                _K.RECOMMEND_CHANGES,
                _K.ASSESS_RISKS,
            }
        ),
        sources=frozenset({"campaign", "dataset", "documents", "web"}),
        tools=_DOCUMENT_TOOLS | _WEB_TOOLS | {"root.get_campaign", "root.get_dataset"},
    ),
}
"""The one table of what each class may do. A class without a row may do nothing."""

"""A bench for single roles: the real templates, routes, classifier and model, and small shelves for what is stored."""

import base64
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.catalog import SOURCES
from adapters.models.extractive_chat import ExtractiveChatModel
from adapters.models.port import LangChainModels
from adapters.models.providers import Provider
from adapters.models.routes import EXTRACTIVE, ModelRoutes
from adapters.prompts.registry import TemplateRegistry
from adapters.tables import DuckTables
from contracts.base import Contract, Ref, SetRef
from contracts.constitution import StoredConstitution
from contracts.errors import IntegrityBroken
from contracts.events import NewEvent
from contracts.evidence import ResearchArtifact, Source, Trust, WorkerResult
from contracts.mission import MissionClass, MissionEnvelope, MissionRequest
from contracts.ports import Mission, NodeLimits, Ports, SourceCard
from contracts.registry import Kind, artifact_id
from contracts.stateflow import Stage, Status
from contracts.tasks import PheromoneSignal, Task, TaskKind
from graph.artifacts import kind_for
from graph.channels import set_ref
from graph.constitution import Guard, key_id, raw, signed
from graph.context import Governance, Record
from graph.inforce import Asking
from graph.metering import Budget, GuardedModel
from graph.passes import PassSigner
from graph.planning import GuardedPlans
from policies.constitution import developers
from policies.engine import PolicyEngine
from policies.risk import classify_request
from tests.adapters.models.conftest import in_memory
from tests.policies.build import envelope

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Shelf:
    """Satisfies ``ArtifactPort`` from memory; earns its name in test_shelves.py."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Kind, int], dict[str, Contract]] = defaultdict(dict)

    async def put(self, revision: int, *contracts: Contract) -> None:
        for contract in contracts:
            self._kept[kind_for(type(contract)), revision].setdefault(artifact_id(contract), contract)

    async def one(self, model: type, ref: Mapping[str, Any]) -> Any:
        wanted = Ref.model_validate(ref)
        found = [kept[wanted.id] for kept in self._kept.values() if wanted.id in kept]
        if not found or found[0].sha256() != wanted.sha256:
            raise IntegrityBroken("it is not what the state refers to")
        return found[0]

    async def all(self, model: type, ref: Mapping[str, Any]) -> tuple[Any, ...]:
        wanted = SetRef.model_validate(ref)
        kind = Kind(wanted.kind)
        found = [contract for _, contract in sorted(self._kept[kind, wanted.revision].items())]
        if set_ref(kind, wanted.revision, found) != wanted.model_dump():
            raise IntegrityBroken("it is not what the state refers to")
        return tuple(found)


class Results:
    """Satisfies ``ResultPort`` from memory; earns its name in test_shelves.py."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[str, WorkerResult]] = defaultdict(dict)
        self.events: list[NewEvent] = []

    async def done(self, revision: int) -> dict[str, WorkerResult]:
        return dict(self._kept[revision])

    async def save(
        self,
        revision: int,
        result: WorkerResult,
        events: Sequence[NewEvent],
        fetched: Sequence[ResearchArtifact] = (),
    ) -> WorkerResult:
        self._kept[revision].setdefault(result.task_key, result)
        self.events += events
        return self._kept[revision][result.task_key]

    async def note(self, events: Sequence[NewEvent]) -> None:
        self.events += events


class Catalog:
    """Satisfies ``CatalogPort``: the shipped sources, and the signals that a test leaves."""

    def __init__(
        self, sources: Sequence[SourceCard] = SOURCES, signals: Sequence[tuple[PheromoneSignal, datetime]] = ()
    ) -> None:
        self._sources = sources
        self._signals = signals

    def sources(self) -> Sequence[SourceCard]:
        return self._sources

    async def signals(self, mission_type: str) -> Sequence[tuple[PheromoneSignal, datetime]]:
        return [(signal, left) for signal, left in self._signals if signal.mission_type == mission_type]


class Tools:
    """Satisfies ``ToolPort`` with answers by tool; remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append((task_key, tool, arguments))
        return {"items": list(self._answers[tool])}


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


def mission(admitted: MissionEnvelope | None = None, **changes: Any) -> Mission:
    request = changes.pop("request", None) or MissionRequest(
        mission_type=admitted.mission_type if admitted else MissionClass.CRM_LEAD_INTELLIGENCE,
        user_goal="Understand the lead",
        inputs=admitted.inputs if admitted else {"lead_id": "lead-1"},
    )
    values: dict[str, Any] = {
        "mission_id": "m-1",
        "tenant_id": "demo",
        "actor_id": "ann",
        "request": request,
        "status": Status.RUNNING,
        "stage": Stage.ADMISSION,
        "trace_id": "t-1",
        "graph_version": "1",
        "epoch": 2,
        "token_budget": 100_000,
        "time_budget_ms": 600_000,
        "approval_timeout_ms": 60_000,
        "envelope": admitted,
    }
    return Mission(**(values | changes))


@cache
def registry() -> TemplateRegistry:
    return TemplateRegistry()


@cache
def governance() -> Governance:
    guard = Guard([raw(SIGNER)])
    return Governance(engine=PolicyEngine.load(), deployment_mode="test", passes=PassSigner(bytes(32)), guard=guard)


SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def in_force(version: int = 1) -> StoredConstitution:
    """Return a developer's constitution as a store would have it in force."""
    one = developers(alone=True).model_copy(update={"version": version})
    signature = base64.b64decode(signed(one, SIGNER).signature)
    return StoredConstitution(one.sha256(), version, one.canonical(), signature, key_id(raw(SIGNER)), 2, version)


class NoOwnRules:
    """The rules of a tenant that has no set of its own."""

    async def active_rules(self, known: Collection[str]) -> None:
        return None

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        return None

    async def constitution(self) -> StoredConstitution:
        return in_force()


def asking(record: Record | None = None, govern: Governance | None = None) -> Asking:
    """Return who asks; it has looked at the constitution once."""
    record, govern = record or Record(), govern or governance()
    record.constitution = govern.guard.verified(in_force())
    return Asking(govern, NoOwnRules(), record, "demo")


def model(record: Record | None = None) -> GuardedModel:
    """Return the built-in model, on a budget."""
    models = LangChainModels({EXTRACTIVE.tier: Provider(EXTRACTIVE, ExtractiveChatModel())})
    record = record or Record()
    return GuardedModel(models, Budget(mission(None), record, in_memory), record, asking(record))


def ports(admitted: MissionEnvelope | None = None, **changes: Any) -> Ports:
    """Return ports for a mission that was admitted as said; each can be exchanged by name."""
    values: dict[str, Any] = {
        "mission": mission(admitted),
        "model": model(),
        "tools": Tools({}),
        "artifacts": Shelf(),
        "results": Results(),
        "catalog": Catalog(),
        "templates": registry(),
        "routes": ModelRoutes(),
        "classify": classify_request,
        "plans": GuardedPlans(Record(envelope=admitted), asking()),
        "effects": None,
        "tables": DuckTables(),
        "clock": Noon(),
        "limits": NodeLimits(),
    }
    return Ports(**(values | changes))


def crm(**changes: Any) -> MissionEnvelope:
    outputs = ("facts", "engagement", "stage", "next_steps", "draft", "writebacks")
    return envelope(**({"requested_outputs": outputs} | changes))


def task(key: str, *after: str, kind: TaskKind = TaskKind.EXTRACT_FACTS, **changes: Any) -> Task:
    values: dict[str, Any] = {"title": key, "expected_output": "facts"}
    return Task(task_key=key, kind=kind, depends_on=after, **(values | changes))


def chat(text: str, need: str = "chat", conversation: str = "C-1") -> ResearchArtifact:
    source = Source(system="root", entity="chat", id=conversation)
    return ResearchArtifact(need=need, kind="chat", source=source, text=text, trust=Trust.CUSTOMER)


def record(**data: Any) -> ResearchArtifact:
    text = "\n".join(f"{key}: {value}" for key, value in data.items())
    source = Source(system="root", entity="lead", id="lead-1", etag='"1"')
    return ResearchArtifact(need="lead", kind="record", source=source, text=text, trust=Trust.OPERATOR, data=data)

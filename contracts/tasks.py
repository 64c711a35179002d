"""The task graph and what a worker is told and allowed for each task of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from contracts.base import ArtifactId, Contract, TaskKey, Value
from contracts.mission import ModelTier


class TaskKind(StrEnum):
    """What a worker can be asked to do."""

    EXTRACT_FACTS = "extract_facts"
    ASSESS_ENGAGEMENT = "assess_engagement"
    ASSESS_STAGE = "assess_stage"
    RECOMMEND_NEXT_STEPS = "recommend_next_steps"
    DRAFT_MESSAGE = "draft_message"
    PROPOSE_WRITEBACKS = "propose_writebacks"
    ANSWER_QUESTION = "answer_question"
    COMPUTE_METRICS = "compute_metrics"
    STATE_FINDINGS = "state_findings"
    RECOMMEND_CHANGES = "recommend_changes"
    ASSESS_RISKS = "assess_risks"


class Task(Contract):
    """One node of the task graph.

    Attributes:
        needs: names of the catalog's sources whose evidence the task reads.
        expected_output: the requested output that the task contributes to.
        weight: expected effort in arbitrary units; scheduling starts the longest remaining path first.
        focus: of several tasks of one kind, the part of the question that this one is about; the requester's own words
            or a model's for them, before any untrusted text was read.
    """

    added: ClassVar[frozenset[str]] = frozenset({"focus"})

    task_key: TaskKey
    kind: TaskKind
    title: str
    depends_on: tuple[TaskKey, ...] = ()
    needs: tuple[str, ...] = ()
    expected_output: str
    weight: int = Field(default=1, ge=0)
    focus: str = ""


class TaskPlan(Contract):
    """The task graph of one plan revision; acyclic, keys unique, every dependency present."""

    tasks: tuple[Task, ...]
    rationale: str


class Exemplar(Value):
    """One worked example of a kind of task: invented evidence, and the answer that is right for it.

    Attributes:
        evidence: pieces of ``{evidence, kind, trust, title, text}``, labelled as in a prompt.
        answer: what fills the template's output schema.
    """

    exemplar_id: str
    version: str
    template_id: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    evidence: tuple[dict[str, str], ...] = ()
    answer: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        """Return what a model is shown of it."""
        return {"parameters": self.parameters, "evidence": list(self.evidence), "answer": self.answer}


PLANNING = TaskKey("planner")
"""The key under which a model is asked about the plan itself, before there are tasks."""


class PromptPackage(Contract):
    """Everything a worker is told for one task.

    ``token_count`` counts system, instructions and exemplars; evidence is added when the task starts and counted then.
    ``template_sha256`` is the hash of the template's own text, as it was before it was filled.
    """

    added: ClassVar[frozenset[str]] = frozenset({"template_sha256", "exemplars"})

    task_key: TaskKey
    template_id: str
    template_version: str
    template_sha256: str = ""
    exemplars: tuple[Exemplar, ...] = ()
    system: str
    instructions: str
    output_schema: str
    tier: ModelTier
    token_count: int
    max_output_tokens: int
    timeout_ms: int
    allowed_tools: tuple[str, ...]
    data_scope: tuple[str, ...]


class RouteCard(Value):
    """Where to look for one need of a task, and how promising past missions found it (0 to 1)."""

    source: str
    tool: str
    arguments: dict[str, Any]
    priority: float
    why: str


class ToolGrant(Value):
    """One tool a pass allows, with the exact arguments it may be called with.

    ``arguments`` must match in full: a missing, extra or different argument is refused.
    """

    tool: str
    arguments: dict[str, Any]
    max_calls: int = Field(default=1, ge=1)


class LibrarianPass(Contract):
    """The scoped grant for one task: where to look, what may be called, and for how long."""

    task_key: TaskKey
    route_cards: tuple[RouteCard, ...]
    grants: tuple[ToolGrant, ...]
    data_scope: tuple[str, ...]
    ttl_ms: int


class PassSeal(Value):
    """The deployment's signature on one pass: for one task of one mission, and for one run of it, until it expires.

    It is kept beside the pass, so that equal passes keep equal hashes.

    Attributes:
        pass_id: the artifact that is signed; the signature covers its hash.
        revision: the plan revision that the pass was issued for.
        epoch: the run that may use it; a later run countersigns.
        signature: HMAC-SHA256 in hex.
    """

    pass_id: ArtifactId
    task_key: TaskKey
    revision: int
    epoch: int
    expires_at: datetime
    signature: str


class PheromoneSignal(Contract):
    """A decaying hint left by past missions about a source: ``strength`` halves every ``half_life_ms``."""

    mission_type: str
    source: str
    kind: str
    strength: float
    half_life_ms: int


class Capsule(Contract):
    """A stored, versioned mission template: persona, tools, knowledge, policies and steps."""

    name: str
    version: str
    mission_type: str
    persona: str
    tools: tuple[str, ...]
    knowledge: tuple[str, ...]
    policies: tuple[str, ...]
    steps: tuple[Task, ...]


class Constitution(Contract):
    """The signed, versioned document of rules that no run may proceed without."""

    version: int
    text: str
    public_key: str
    signature: str

"""A change of one line in a role, or of one word in a template, is named where it first shows, whichever it is."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.prompts.registry import TemplateRegistry
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Ports, StepResult, Template
from contracts.state import MissionState
from contracts.stateflow import Stage
from contracts.tasks import LibrarianPass, PheromoneSignal, PromptPackage, TaskPlan
from graph.steps import Node, Role, step
from tests.graph.lab import Lab, Swaps
from tests.graph.test_resume import ROLES
from tests.replay.again import Mute, done, replayed

EDITS: dict[type, Any] = {
    TaskPlan: lambda a: {"rationale": a.rationale + "!"},
    PromptPackage: lambda a: {"instructions": a.instructions + "!"},
    LibrarianPass: lambda a: {"ttl_ms": a.ttl_ms + 1},
    ResearchArtifact: lambda a: {"cleaned": a.cleaned + 1},
    WorkerResult: lambda a: {"findings": (*a.findings, "!")},
    AggregationPacket: lambda a: {"open_questions": (*a.open_questions, "!")},
    ReviewPacket: lambda a: {"reasons": (*a.reasons, "!")},
    PheromoneSignal: lambda a: {"strength": 0.5},
}
CHANGED = {
    Stage.PLANNER: ("artifact: plan", ""),
    Stage.PROMPT_MASTER: ("artifact: prompt_package", ""),
    Stage.LIBRARIAN: ("artifact: librarian_pass", ""),
    Stage.RESEARCHER: ("artifact: research_artifact", ""),
    Stage.AGGREGATOR: ("artifact: aggregation_packet", ""),
    Stage.REVIEWER: ("artifact: review_packet", ""),
    Stage.ADMISSION: ("what the step said", ""),
    Stage.FINALIZE: ("what the step said", ""),
    Stage.WRITEBACK: ("write", ""),
}


def changed(stage: Stage, role: Role) -> Node:
    async def otherwise(state: MissionState, ports: Ports) -> StepResult:
        if stage is Stage.WRITEBACK:
            return await role(state, replace(ports, effects=_Fewer(ports.effects)))  # type: ignore[arg-type]
        gave = await role(state, ports)
        envelope = gave.envelope and gave.envelope.model_copy(update={"metadata": {"one": "more"}})
        artifacts, signals = (
            tuple(a.model_copy(update=EDITS[type(a)](a)) if type(a) in EDITS else a for a in made)
            for made in (gave.artifacts, gave.signals)
        )
        return replace(gave, envelope=envelope, artifacts=artifacts, signals=signals)  # type: ignore[arg-type]

    return step(stage, otherwise)


class _Fewer:
    """Effects of which the last is forgotten."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.apply = inner.apply

    async def granted(self) -> Any:
        return (await self._inner.granted())[:-1]


@pytest.mark.parametrize(
    "stages",
    [(Stage.ADMISSION,), pytest.param(tuple(CHANGED), marks=pytest.mark.long)],
    ids=["one", "each"],
)
async def test_a_line_that_was_changed_is_named_in_its_own_role(lab: Lab, stages: tuple[Stage, ...]) -> None:
    mission_id = await done(lab)
    for stage in stages:
        report = await replayed(lab, mission_id, Swaps(model=Mute(), nodes={stage: changed(stage, ROLES[stage])}))
        first = report["first_divergence"]
        assert not report["identical"], stage
        assert (first["stage"], first["call"]) == (stage.value, CHANGED[stage][0]), first


@pytest.mark.long
async def test_a_word_of_any_template_is_named_with_the_first_call_that_differs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mission_id = await done(lab)
    real = TemplateRegistry.get
    packages = {row["task_key"] for row in await lab.service.artifacts(mission_id, "prompt_package")}
    asked = {r["task_key"] for r in lab.db.rows("select task_key from colony_recordings where channel = 'model'")}
    assert len(packages) == 6
    for task in sorted(packages):

        def other(self: TemplateRegistry, template_id: str, task: str = task) -> Template:
            found = real(self, template_id)
            return replace(found, instructions=found.instructions + " Now.") if template_id == task else found

        monkeypatch.setattr(TemplateRegistry, "get", other)
        report = await replayed(lab, mission_id, Swaps(model=Mute()))
        first, call = report["first_divergence"], report["first_call"]
        assert (first["stage"], first["task_key"], first["call"]) == ("prompt_master", task, "artifact: prompt_package")
        assert (call and call["task_key"]) == (task if task in asked else None)

"""The policy: what no rule allows is denied, in each of its four layers, and a denied mission does nothing."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingInvalid
from contracts.evidence import WritebackProposal, payload_sha256
from contracts.mission import ModelTier
from contracts.packets import AggregationPacket
from contracts.ports import Ports, StepResult
from contracts.state import MissionState
from contracts.stateflow import Layer, Stage
from contracts.tasks import LibrarianPass, TaskPlan, ToolGrant
from graph.context import Governance
from graph.steps import Node, step
from nodes.aggregator import aggregator
from nodes.librarian import librarian
from nodes.planner import planner
from policies.engine import PolicyEngine
from policies.questions import TierFacts
from policies.rulefiles import RULES_DIRECTORY
from tests.graph.lab import Lab, Swaps

NOT_BLOCKED = "the mission was not blocked"
PERMISSIVE = '@id("{layer}.anything")\n@reason("anything goes")\npermit (principal, action, resource);\n'


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    copy = tmp_path / "rules"
    shutil.copytree(RULES_DIRECTORY, copy)
    return copy


async def needs_what_is_not_its_own(state: MissionState, ports: Ports) -> StepResult:
    """A planner that wants to read the documents for a mission about a lead."""
    made = await planner(state, ports)
    plan = next(a for a in made.artifacts if isinstance(a, TaskPlan))
    greedy = tuple(t.model_copy(update={"needs": (*t.needs, "documents")}) for t in plan.tasks)
    return replace(made, artifacts=(plan.model_copy(update={"tasks": greedy}), *greedy))


async def grants_another_lead(state: MissionState, ports: Ports) -> StepResult:
    """A librarian that lets every task read another lead's record."""
    made = await librarian(state, ports)
    grant = ToolGrant(tool="root.get_lead", arguments={"lead_id": "L-2"})
    passes = [a for a in made.artifacts if isinstance(a, LibrarianPass)]
    return replace(made, artifacts=tuple(p.model_copy(update={"grants": (*p.grants, grant)}) for p in passes))


async def writes_to_another_lead(state: MissionState, ports: Ports) -> StepResult:
    """An aggregator that turns every proposal on another lead."""
    made = await aggregator(state, ports)
    packet = next(a for a in made.artifacts if isinstance(a, AggregationPacket))
    aimed = tuple(aimed_at("L-2", p) for p in packet.writebacks)
    return replace(made, artifacts=(packet.model_copy(update={"writebacks": aimed}),))


def aimed_at(lead_id: str, p: WritebackProposal) -> WritebackProposal:
    target = p.target.model_copy(update={"id": lead_id})
    sha = payload_sha256(target, p.operation, p.precondition, p.before, p.after)
    return p.model_copy(update={"target": target, "payload_sha256": sha})


def switched_off(governance: Governance) -> Governance:
    return replace(governance, tenant_switches={"disabled": True})


def leads_outside(governance: Governance) -> Governance:
    return replace(governance, tiers={tier: TierFacts(tier=tier, provider="openai") for tier in ModelTier})


@dataclass(frozen=True)
class Foul:
    """A mission that one layer has to stop, and where."""

    stage: Stage
    layer: Layer
    govern: Callable[[Governance], Governance] = lambda governance: governance
    nodes: Mapping[Stage, Node] = field(default_factory=dict)


FOUL = {
    "admission": Foul(Stage.ADMISSION, Layer.ADMISSION, govern=switched_off),
    "plan": Foul(Stage.PLANNER, Layer.SCOPE, nodes={Stage.PLANNER: step(Stage.PLANNER, needs_what_is_not_its_own)}),
    "pass": Foul(Stage.LIBRARIAN, Layer.SCOPE, nodes={Stage.LIBRARIAN: step(Stage.LIBRARIAN, grants_another_lead)}),
    "routing": Foul(Stage.PROMPT_MASTER, Layer.ROUTING, govern=leads_outside),
    "release": Foul(
        Stage.RELEASE_GATE, Layer.RELEASE, nodes={Stage.AGGREGATOR: step(Stage.AGGREGATOR, writes_to_another_lead)}
    ),
}


async def is_stopped(lab: Lab, foul: Foul, engine: PolicyEngine | None = None) -> None:
    """The check: the mission ends blocked at that stage, says why, and nothing was written."""

    def govern(governance: Governance) -> Governance:
        asked = foul.govern(governance)
        return asked if engine is None else replace(asked, engine=engine)

    for lead_id in ("L-1", "L-2"):
        await lab.service.seed_lead(lead_id)
    ended = await lab.mission(Swaps(govern=govern, nodes=foul.nodes))
    stopped: tuple[Any, ...] = (ended["status"], (ended["failure"] or {}).get("stage"))
    assert stopped == ("blocked", foul.stage.value), f"{NOT_BLOCKED}: {stopped} {ended['failure']}"
    assert ended["failure"]["reason"]
    for lead_id in ("L-1", "L-2"):
        assert (await lab.service.writes(lead_id))["notes"] == 0


@pytest.mark.parametrize("foul", FOUL.values(), ids=FOUL)
async def test_what_a_layer_denies_is_stopped(lab: Lab, foul: Foul) -> None:
    await is_stopped(lab, foul)


@pytest.mark.parametrize("foul", FOUL.values(), ids=FOUL)
async def test_with_a_permissive_layer_it_is_not_stopped(lab: Lab, rules: Path, foul: Foul) -> None:
    (rules / f"{foul.layer}.cedar").write_text(PERMISSIVE.format(layer=foul.layer.value))
    with pytest.raises(AssertionError, match=NOT_BLOCKED):
        await is_stopped(lab, foul, PolicyEngine.load(rules))


BLOCKED_AT = {
    Layer.ADMISSION: Stage.ADMISSION,
    Layer.SCOPE: Stage.PLANNER,
    Layer.ROUTING: Stage.PROMPT_MASTER,
    Layer.RELEASE: Stage.RELEASE_GATE,
}


@pytest.mark.parametrize("layer", list(Layer))
async def test_a_layer_without_rules_blocks_what_it_allowed(lab: Lab, rules: Path, layer: Layer) -> None:
    (rules / f"{layer}.cedar").write_text("")
    await is_stopped(lab, Foul(BLOCKED_AT[layer], layer), PolicyEngine.load(rules))


async def test_with_its_rules_the_same_mission_is_allowed(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=NOT_BLOCKED):
        await is_stopped(lab, Foul(Stage.ADMISSION, Layer.ADMISSION))


@pytest.mark.parametrize("layer", list(Layer))
def test_a_layer_without_its_file_stops_the_start(rules: Path, layer: Layer) -> None:
    (rules / f"{layer}.cedar").unlink()
    with pytest.raises(SettingInvalid):
        PolicyEngine.load(rules)


@pytest.mark.parametrize("stage", [Stage.ADMISSION, Stage.PLANNER, Stage.PROMPT_MASTER, Stage.LIBRARIAN])
async def test_a_stage_that_puts_nothing_before_its_layer_is_blocked(lab: Lab, stage: Stage) -> None:
    async def silent(state: MissionState, ports: Ports) -> StepResult:
        return StepResult()

    await is_stopped(lab, Foul(stage, Layer.SCOPE, nodes={stage: step(stage, silent)}))

"""Stolen passes, in the store itself: whatever an intruder writes there, the call is refused and recorded."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import graph.guarded
from adapters.root.tools import RootTools
from contracts.canonical import canonical_bytes, sha256_hex
from contracts.clock import SystemClock
from contracts.errors import PassRefused, RootUnavailable
from contracts.ports import LedgerPort, Ports, StepResult, ToolPort
from contracts.state import MissionState
from contracts.stateflow import Layer, Stage
from contracts.tasks import LibrarianPass, ToolGrant
from graph.context import Record
from graph.guarded import GuardedTools
from graph.inforce import Asking
from graph.passes import PassSigner
from graph.steps import step
from nodes.librarian import CALLS
from policies.engine import PolicyEngine
from policies.rulefiles import RuleFile, load_rules
from tests.graph.lab import Lab, Rewire, Swaps

THROUGH = "got through"
FACTS = "extract_facts"
OWN, OTHER = {"lead_id": "L-1"}, {"lead_id": "L-2"}
INTRUDER = "set session_replication_role = replica"
"""An intruder with the whole database: no trigger, no row-level security."""

REWRITTEN = """
with forged as (
  select p.*, convert_to(replace(convert_from(p.content, 'utf8'), '{was}', '{to}'), 'utf8') as said
  from colony_librarian_passes p where p.task_key = '{task}' and p.mission_id = '{here}'
), passes as (
  update colony_librarian_passes p set content = f.said, sha256 = encode(sha256(f.said), 'hex'), task_key = '{as_task}',
    artifact_id = 'lp_' || left(encode(sha256(f.said), 'hex'), 32), revision = 9, created_at = now()
  from forged f where p.mission_id = f.mission_id and p.artifact_id = f.artifact_id
  returning p.artifact_id, f.artifact_id as was
)
update colony_pass_seals s set pass_id = p.artifact_id, revision = 9, task_key = '{as_task}'
from passes p where s.pass_id = p.was and s.mission_id = '{here}'
"""
COPIED = """
insert into colony_librarian_passes select artifact_id, '{here}', 9, 'demo', actor_id, task_key, status, payload,
  content, sha256, epoch, now(), now(), expires_at, row_sha256
from colony_librarian_passes where mission_id = '{there}' and task_key = '{task}';
insert into colony_pass_seals select '{here}', pass_id, task_key, 9, {epoch}, 'demo', actor_id,
  now() + interval '1 hour', signature, now(), row_sha256
from colony_pass_seals where mission_id = '{there}' and task_key = '{task}';
"""
THEFTS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "altered-grants": (REWRITTEN.replace("{was}", "L-1").replace("{to}", "L-2"), OTHER, "pass_forged"),
    "another-tasks": (
        REWRITTEN.replace("{was}", FACTS)
        .replace("{to}", "assess_stage")
        .replace("{as_task}", "assess_stage")
        .replace("{task}", FACTS),
        OWN,
        "pass_forged",
    ),
    "another-missions": (COPIED, OTHER, "pass_forged"),
    "a-longer-life": ("update colony_pass_seals set expires_at = expires_at + interval '1 day'", OWN, "pass_forged"),
    "unsigned": ("delete from colony_pass_seals where mission_id = '{here}'", OWN, "pass_unsigned"),
}


async def what_was_stolen_is_refused(lab: Lab, theft: str, saboteur: Rewire | None = None) -> None:
    """The check: in a mission at work, an intruder writes a pass into the store; a call under it is refused."""
    statement, arguments, why = THEFTS[theft]
    task_key = "assess_stage" if theft == "another-tasks" else FACTS
    told: list[str] = []
    await lab.service.seed_lead("L-2")
    there = (await lab.mission(inputs=OTHER))["mission_id"]

    async def probe(state: MissionState, ports: Ports) -> StepResult:
        here, epoch = ports.mission.mission_id, ports.mission.epoch
        filled = {"{here}": here, "{there}": there, "{task}": FACTS, "{as_task}": FACTS, "{epoch}": str(epoch)}
        said = statement
        for mark, value in filled.items():
            said = said.replace(mark, value)
        lab.db.run(f"{INTRUDER}; {said}")
        try:
            await ports.tools.call(task_key, "root.get_lead", arguments)
            told.append(THROUGH)
        except PassRefused as exc:
            told.append(exc.code)
        return StepResult()

    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(nodes={Stage.RESEARCHER: step(Stage.RESEARCHER, probe)}, rewire=saboteur))
    assert told == [why], THROUGH
    events = await lab.service.events(mission["mission_id"])
    denied = [e["payload"] for e in events if e["event_type"] == "tool.denied"]
    assert [(d["reason"], d["arguments"], d["task_key"]) for d in denied] == [(why, dict(arguments), task_key)]


@pytest.mark.parametrize("theft", THEFTS)
async def test_a_stolen_pass_is_refused_and_recorded(lab: Lab, theft: str) -> None:
    await what_was_stolen_is_refused(lab, theft)


@pytest.mark.parametrize("theft", ["altered-grants", "another-missions"])
async def test_without_verification_a_stolen_pass_is_used(
    lab: Lab, theft: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PassSigner, "holds", lambda *_: True)
    with pytest.raises(AssertionError, match=THROUGH):
        await what_was_stolen_is_refused(lab, theft)


async def taking_over(lab: Lab, meanwhile: str = "select 1") -> dict[str, Any]:
    """Let a worker die at its tasks, something happen to the store, and another worker go on."""
    at_work = asyncio.Event()

    async def dying(state: MissionState, ports: Ports) -> StepResult:
        at_work.set()
        await asyncio.Event().wait()
        return StepResult()

    told: list[str] = []

    async def going_on(state: MissionState, ports: Ports) -> StepResult:
        try:
            await ports.tools.call(FACTS, "root.get_lead", OWN)
            told.append("ok")
        except PassRefused as exc:
            told.append(exc.code)
        return StepResult()

    await lab.service.seed_lead()
    mission_id = await lab.service.submit()
    first = asyncio.create_task(lab.run(mission_id, Swaps(nodes={Stage.WORKERS: step(Stage.WORKERS, dying)})))
    await asyncio.wait_for(at_work.wait(), 60)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    lab.forget_leases()
    lab.db.run(f"{INTRUDER}; {meanwhile}")
    await lab.run(mission_id, Swaps(nodes={Stage.WORKERS: step(Stage.WORKERS, going_on)}))
    events = await lab.service.events(mission_id)
    renewed = [e["payload"] for e in events if e["event_type"] == "pass.renewed"]
    return {"told": told, "renewed": [len(r["task_keys"]) for r in renewed]}


async def test_a_run_that_takes_over_countersigns_and_goes_on(lab: Lab) -> None:
    assert await taking_over(lab) == {"told": ["ok"], "renewed": [6]}
    made = lab.db.rows("select epoch, count(*)::int as n from colony_pass_seals group by epoch order by epoch")
    assert [row["n"] for row in made] == [6, 6]


async def test_without_countersigning_an_earlier_runs_pass_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph.guarded, "taken_over", lambda *_: [])
    assert await taking_over(lab) == {"told": ["pass_forged"], "renewed": []}


async def test_what_an_intruder_signed_is_not_countersigned(lab: Lab) -> None:
    forged = "update colony_pass_seals set signature = repeat('ab', 32)"
    assert await taking_over(lab, forged) == {"told": ["pass_forged"], "renewed": []}


class Counting:
    """The tools behind the wrapped port: counts what reaches them, and takes its time."""

    def __init__(self, inner: ToolPort, *, fails: bool = False) -> None:
        self.made = 0
        self._inner = inner
        self._fails = fails

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made += 1
        await asyncio.sleep(0)
        if self._fails:
            raise RootUnavailable("the root is away")
        return {"items": []}


def lax_engine() -> PolicyEngine:
    files = load_rules()
    lax = RuleFile("scope.cedar", Layer.SCOPE, '@id("scope.lax") @reason("lax") permit (principal, action, resource);')
    return PolicyEngine(replace(files, files=tuple(lax if f.layer is Layer.SCOPE else f for f in files.files)))


async def at_once(lab: Lab, tool: str, times: int, *, fails: bool = False) -> tuple[int, list[str]]:
    """Make the same call many times at once; returns how often it was made, and how the calls ended."""
    inner = Counting(RootTools(lab.root, "demo"), fails=fails)
    lax = lax_engine()
    ended: list[str] = []

    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        # Rules that let whatever a pass grants be called: what is counted here is the pass's own.
        governance = replace(lab.colony.governance, engine=lax)
        asking = Asking(governance, ledger, record, "demo")
        return replace(ports, tools=GuardedTools(inner, ledger, record, SystemClock(), ports.mission, asking))

    async def probe(state: MissionState, ports: Ports) -> StepResult:
        async def one() -> str:
            try:
                await ports.tools.call(FACTS, tool, OWN)
            except (PassRefused, RootUnavailable) as exc:
                return exc.code
            return "ok"

        if tool != "root.get_lead":
            sign_a_pass_for(lab, ports, tool)
        ended.extend(await asyncio.gather(*(one() for _ in range(times))))
        return StepResult()

    await lab.service.seed_lead()
    await lab.mission(Swaps(nodes={Stage.RESEARCHER: step(Stage.RESEARCHER, probe)}, rewire=rewire))
    return inner.made, sorted(ended)


def sign_a_pass_for(lab: Lab, ports: Ports, tool: str) -> None:
    """Put a pass into the store that policy would never have let through, signed with the deployment's own key."""
    row = lab.db.rows("select content from colony_librarian_passes where task_key = 'extract_facts'")[0]
    was = LibrarianPass.model_validate_json(bytes(row["content"]))
    one = was.model_copy(update={"grants": (ToolGrant(tool=tool, arguments=OWN, max_calls=CALLS),)})
    seal = lab.colony.governance.passes.sealed(ports.mission, one, 9, SystemClock().now())
    content = canonical_bytes(one.model_dump(mode="json"))
    with lab.db.connect() as conn:
        conn.execute(INTRUDER)
        conn.execute(
            "insert into colony_librarian_passes (artifact_id, mission_id, revision, tenant_id, actor_id, task_key, "
            "status, payload, content, sha256, epoch, expires_at, row_sha256) values (%s, %s, 9, 'demo', 'x', %s, "
            "'stored', '{}', %s, %s, 1, now(), '')",
            [seal.pass_id, ports.mission.mission_id, FACTS, content, sha256_hex(content)],
        )
        conn.execute(
            "insert into colony_pass_seals (mission_id, pass_id, task_key, revision, epoch, tenant_id, actor_id, "
            "expires_at, signature, row_sha256) values (%s, %s, %s, 9, %s, 'demo', 'x', %s, %s, '')",
            [ports.mission.mission_id, seal.pass_id, FACTS, seal.epoch, seal.expires_at, seal.signature],
        )


async def test_calls_at_the_same_time_share_no_last_use(lab: Lab) -> None:
    made, ended = await at_once(lab, "root.get_lead", CALLS + 3)
    assert made == CALLS
    assert ended == ["calls_used_up"] * 3 + ["ok"] * CALLS


@pytest.mark.parametrize("fails", [False, True], ids=["done", "nobody-knows"])
async def test_what_writes_is_called_once_whatever_the_pass_says(lab: Lab, fails: bool) -> None:
    made, ended = await at_once(lab, "root.add_note", 3, fails=fails)
    assert made == 1
    assert ended.count("calls_used_up") == 2

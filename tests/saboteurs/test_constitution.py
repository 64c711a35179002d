"""The constitution: under one that does not verify no run starts, no tool is called and nothing is written."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import graph.inforce
from adapters.postgres.secrets import read_secrets
from contracts.constitution import Constitution, HardLimits
from contracts.ports import LedgerPort, Ports, StepResult
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.constitution import Guard, InForce, signed
from graph.context import Record
from graph.guarded import GuardedTools
from graph.inforce import Asking
from graph.steps import step
from nodes.researcher import researcher
from policies.constitution import developers
from server.constitution import SeenFile, guard_for, own_key
from tests.constitution import INTRUDER, activate, next_version
from tests.graph.lab import Lab, Swaps

WENT_ON = "went on"
FIRST = developers(alone=True)
FORGED = FIRST.model_copy(update={"principles": ("Anything goes.",)})
KEPT = "create table if not exists kept_{t} as select * from {t}"
PUT_BACK = "delete from {t}; insert into {t} overriding system value select * from kept_{t}"
TABLES = ("colony_constitutions", "colony_constitution_log")


def hexed(one: Constitution, key: Ed25519PrivateKey) -> tuple[str, str]:
    return one.canonical().hex(), base64.b64decode(signed(one, key).signature).hex()


def altered() -> str:
    """The content is another, with a hash of its own, under the old signature."""
    content, _ = hexed(FORGED, Ed25519PrivateKey.generate())
    sha = FORGED.sha256()
    return (
        f"update colony_constitutions set content = decode('{content}', 'hex'), sha256 = '{sha}'; "
        f"update colony_constitution_log set sha256 = '{sha}'"
    )


def under_another_key() -> str:
    """The content is another and properly signed, by somebody else."""
    _, signature = hexed(FORGED, Ed25519PrivateKey.generate())
    return altered() + f"; update colony_constitutions set signature = decode('{signature}', 'hex')"


TAMPERINGS: Mapping[str, Callable[[], str]] = {
    "content": lambda: "update colony_constitutions set content = content || ' '::bytea",
    "content-and-hash": altered,
    "another-key": under_another_key,
    "signature": lambda: "update colony_constitutions set signature = sha512(content)",
    "version": lambda: "update colony_constitutions set version = version + 1",
    "document-gone": lambda: "delete from colony_constitutions",
    "never-activated": lambda: "delete from colony_constitution_log",
}
SIGNATURES = ("another-key",)


@contextmanager
def tampered(lab: Lab, statement: str) -> Iterator[None]:
    """Let an intruder change what is stored, and put it back at the end."""
    for table in TABLES:
        lab.db.run(KEPT.format(t=table))
    lab.db.run(f"{INTRUDER}; {statement}")
    try:
        yield
    finally:
        lab.db.run(f"{INTRUDER}; " + "; ".join(PUT_BACK.format(t=table) for table in TABLES))


def stopped(mission: Mapping[str, Any], stage: str) -> None:
    found = (mission["status"], (mission["failure"] or {}).get("code"), (mission["failure"] or {}).get("stage"))
    assert found == ("failed", "constitution_unverified", stage), f"{WENT_ON}: {found}"
    assert "runbooks/constitution" in mission["failure"]["hint"] or "activate" in mission["failure"]["hint"]


async def retried(lab: Lab, mission_id: str, swaps: Swaps | None = None) -> dict[str, Any]:
    assert (await lab.service.post(mission_id, "retry")).status_code == 202
    return await lab.run(mission_id, swaps or Swaps())


async def no_run_starts(lab: Lab, *tamperings: str) -> None:
    """The check: whatever is changed in the store, the mission ends before anything is asked; mended, it goes on."""
    await lab.service.seed_lead()
    mission_id = await lab.service.submit()
    for number, name in enumerate(tamperings):
        with tampered(lab, TAMPERINGS[name]()):
            mission = await (retried(lab, mission_id) if number else lab.run(mission_id))
            stopped(mission, "admission")
            assert lab.db.rows("select 1 from colony_policy_decisions union all select 1 from colony_tool_calls") == []
    mended = await retried(lab, mission_id)
    assert mended["status"] == "awaiting_approval", mended["failure"]


async def test_no_run_starts_under_one_that_does_not_verify(lab: Lab) -> None:
    await no_run_starts(lab, *TAMPERINGS)


@pytest.mark.parametrize("name", SIGNATURES)
async def test_with_the_signature_unchecked_a_run_starts(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(Guard, "holds", lambda *_: True)
    with pytest.raises(AssertionError, match=WENT_ON):
        await no_run_starts(lab, name)


class Counting:
    """The tools behind the wrapped port."""

    def __init__(self) -> None:
        self.made = 0

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made += 1
        return {"items": []}


async def nothing_is_called(lab: Lab) -> None:
    """The check: the constitution is tampered with while the researcher is at work; no further call is made."""
    inner = Counting()

    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        asking = lab.asking(ledger, record)
        return replace(ports, tools=GuardedTools(inner, ledger, record, ports.clock, ports.mission, asking))

    async def at_work(state: MissionState, ports: Ports) -> StepResult:
        with tampered(lab, TAMPERINGS["another-key"]()):
            return await researcher(state, ports)

    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(nodes={Stage.RESEARCHER: step(Stage.RESEARCHER, at_work)}, rewire=rewire))
    assert inner.made == 0, WENT_ON
    stopped(mission, "researcher")
    assert (await retried(lab, mission["mission_id"]))["status"] == "awaiting_approval"


async def test_a_constitution_tampered_with_after_admission_stops_the_next_call(lab: Lab) -> None:
    await nothing_is_called(lab)


async def remembered(self: Asking) -> HardLimits:
    """The saboteur: looks once in a run, and believes its memory from then on."""
    if self._record.constitution is None:
        self._record.constitution = self.governance.guard.verified(await self._source.constitution())
    return self._record.constitution.constitution.limits


async def test_looked_at_once_a_run_it_goes_on_calling(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asking, "limits", remembered)
    with pytest.raises(AssertionError, match=WENT_ON):
        await nothing_is_called(lab)


async def nothing_is_written(lab: Lab) -> None:
    """The check: tampered with between the approval and the write, nothing is written; mended, it is, once."""
    await lab.service.seed_lead()
    mission_id = (await lab.mission())["mission_id"]
    assert (await lab.service.post(mission_id, "approve")).status_code == 202
    with tampered(lab, TAMPERINGS["another-key"]()):
        mission = await lab.run(mission_id)
        assert (await lab.service.writes())["notes"] == 0, WENT_ON
        stopped(mission, "writeback")
        assert lab.db.rows("select 1 from colony_writebacks") == []
    assert (await retried(lab, mission_id))["status"] == "completed"
    assert (await lab.service.writes())["notes"] == 1


async def test_a_constitution_tampered_with_after_the_approval_stops_the_write(lab: Lab) -> None:
    await nothing_is_written(lab)


async def test_not_looked_at_again_what_was_approved_is_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "verified", lambda *_: InForce(FIRST, FIRST.sha256()))
    with pytest.raises(AssertionError, match=WENT_ON):
        await nothing_is_written(lab)


async def test_nobody_approves_under_one_that_does_not_verify_but_anybody_may_reject(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission_id = (await lab.mission())["mission_id"]
    with tampered(lab, TAMPERINGS["signature"]()):
        answer = await lab.service.post(mission_id, "approve")
        assert (answer.status_code, answer.json()["code"]) == (503, "constitution_unverified")
        assert (await lab.service.mission(mission_id))["status"] == "awaiting_approval"
        assert (await lab.service.post(mission_id, "reject", reason="no")).status_code == 202


async def an_older_one_is_not_put_back(lab: Lab) -> None:
    """The check: a genuine older version, put back by an intruder, is refused, by the log and by the process."""
    key = own_key(read_secrets(lab.db.dsn))
    await lab.service.seed_lead()
    await lab.mission()
    await activate(lab.db.dsn, next_version(FIRST), key)
    mission_id = await lab.service.submit()
    again = (
        f"delete from colony_constitution_log where sha256 = '{FIRST.sha256()}'; insert into colony_constitution_log "
        f"(tenant_id, sha256, event, actor_id) values ('demo', '{FIRST.sha256()}', 'activated', 'colony')"
    )
    with tampered(lab, again):
        stopped(await lab.run(mission_id), "admission")
    assert (await retried(lab, mission_id))["status"] == "awaiting_approval"
    forgotten = f"delete from colony_constitution_log where sha256 <> '{FIRST.sha256()}'; " + (
        f"delete from colony_constitutions where sha256 <> '{FIRST.sha256()}'"
    )
    with tampered(lab, forgotten):
        stopped(await lab.mission(), "admission")
        # A process that starts only now has not seen the second one; the machine has.
        later = guard_for(lab.colony.settings, read_secrets(lab.db.dsn))
        stopped(await lab.mission(Swaps(govern=lambda rules: replace(rules, guard=later))), "admission")


async def test_an_older_version_is_not_put_back(lab: Lab) -> None:
    await an_older_one_is_not_put_back(lab)


@pytest.mark.parametrize("memory", ["a process's", "the machine's"])
async def test_without_a_memory_an_older_version_is_put_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    if memory == "a process's":
        monkeypatch.setattr(Guard, "_never_back", lambda *_: None)
    else:
        monkeypatch.setattr(SeenFile, "last", lambda _: None)
    with pytest.raises(AssertionError, match=WENT_ON):
        await an_older_one_is_not_put_back(lab)


async def every_decision_names_it(lab: Lab) -> None:
    """The check: each stored decision names the constitution that was in force; a change is an event of the mission."""
    await lab.service.seed_lead()
    mission_id = (await lab.mission())["mission_id"]
    second = next_version(FIRST)
    await activate(lab.db.dsn, second, own_key(read_secrets(lab.db.dsn)))
    assert (await lab.approved(mission_id))["status"] == "completed"
    named = lab.db.rows(
        "select payload ->> 'constitution_sha256' as sha, bool_or(payload #>> '{question,action}' = 'approve') as late "
        "from colony_policy_decisions group by 1 order by 2"
    )
    assert [(row["sha"], row["late"]) for row in named] == [(FIRST.sha256(), False), (second.sha256(), True)]
    told = [e["payload"] for e in await lab.service.events(mission_id) if e["event_type"] == "constitution.updated"]
    first = {"version": 1, "sha256": FIRST.sha256()}
    assert told == [{"version": 2, "sha256": second.sha256(), "previous": first}]


async def test_every_decision_names_the_constitution_it_was_made_under(lab: Lab) -> None:
    await every_decision_names_it(lab)


async def test_without_its_hash_on_decisions_that_is_noticed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph.inforce, "held", lambda _, decision: decision)
    with pytest.raises(AssertionError):
        await every_decision_names_it(lab)

"""The checker itself: the evidence of a good mission passes, and each forgery of it is found for what it is."""

import copy
import json
from collections.abc import Callable

import pytest
import pytest_asyncio

from tests.faults import report
from tests.faults.checker import RULES, judge
from tests.faults.conftest import Gym
from tests.faults.evidence import Evidence, load
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand

pytestmark = [pytest.mark.asyncio(loop_scope="module")]
Forgery = Callable[[Evidence], None]


async def _two_missions(stand: Stand, _count: int, _seed: int) -> dict[str, object]:
    await stand.serve()
    await stand.worker()
    missions = {}
    for tenant in TENANTS:
        mission_id = await stand.submit(tenant, key="one")
        assert mission_id is not None
        missions[mission_id] = tenant
    await driven(stand, missions)
    for tenant in TENANTS:
        await stand.listed(tenant)
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evidence(gym: Gym) -> Evidence:
    folder, result = await gym.one("good", run=_two_missions)
    assert result.violations == []
    return load(folder)


async def test_good_evidence_says_something(evidence: Evidence) -> None:
    assert {m["status"] for m in evidence.of("missions")} == {"completed"}
    assert len(evidence.effects) == len(evidence.of("grants")) == 6
    assert len(evidence.of("writes")) > 100
    assert len(evidence.rows) > 100


def _change(table: str, **to: object) -> Forgery:
    return lambda e: e.tables[table][-1].update(to)


def _said(op: str, /, **to: object) -> Forgery:
    """Repeat the last accepted invocation, changed."""

    def forge(e: Evidence) -> None:
        line = next(h for h in reversed(e.history) if (h["op"], h["kind"]) == (op, "ok"))
        e.history.append({**copy.deepcopy(line), **to})

    return forge


def _other_payload(e: Evidence) -> None:
    grant = e.of("grants")[0]
    content = json.loads(grant["content"])
    grant["content"] = json.dumps({**content, "precondition": '"99"'})


def _nobody_said_yes(e: Evidence) -> None:
    approval = e.of("approvals")[0]
    decision = json.loads(approval["decision"])
    approval["decision"] = json.dumps({**decision, "answers": []})


def _stale_write(e: Evidence) -> None:
    first = e.of("writes")[0]
    e.of("writes").append({**first, "write_id": 10**9})


def _again(event_type: str, /, **to: object) -> Forgery:
    """Let an event of a kind be followed, in another's name or its own, by the same once more."""

    def forge(e: Evidence) -> None:
        event = next(event for event in e.of("events") if event["event_type"] == event_type)
        e.of("events").append({**event, "seq": 10**6, **to})

    return forge


def _taken_over_soon(e: Evidence) -> None:
    taken = next(write for write in e.of("leases") if write["held"])
    after = {"write_id": taken["write_id"] + 0.5, "epoch": taken["epoch"] + 1, "at": taken["at"] + 1.0}
    e.of("leases").append({**taken, **after})


def _renewed_long_ago(e: Evidence) -> None:
    """Taken a lease and more after it was claimed, and a moment after it was renewed."""
    taken = next(write for write in e.of("leases") if write["held"])
    renewed = {"write_id": taken["write_id"] + 0.4, "operation": "UPDATE", "at": taken["at"] + 1.4}
    after = {"write_id": taken["write_id"] + 0.5, "epoch": taken["epoch"] + 1, "at": taken["at"] + 2.0}
    e.of("leases").extend([{**taken, **renewed}, {**taken, **after}])


def _edited_otherwise(e: Evidence) -> None:
    line = next(h for h in e.history if (h["op"], h["kind"]) == ("answer", "ok"))
    line["edits"] = {e.of("grants")[0]["proposal_id"]: {"text": "x"}}
    line["interrupt_id"] = e.of("grants")[0]["interrupt_id"]
    line["mission_id"] = e.of("grants")[0]["mission_id"]


def _spent_and_not_stored(e: Evidence) -> None:
    e.points.append({**next(line for line in e.points if line["what"] == "spent"), "tokens": 10**6})


@pytest.mark.parametrize(
    ("rule", "forge"),
    [
        pytest.param("I1", _change("missions", status="running"), id="still-running"),
        pytest.param("I1", lambda e: e.of("missions").pop(), id="accepted-and-gone"),
        pytest.param("I2", lambda e: e.effects.append(e.effects[-1]), id="written-twice"),
        pytest.param("I2", lambda e: e.effects.pop(), id="applied-and-never-done"),
        pytest.param("I3", lambda e: e.of("events").pop(3), id="a-gap"),
        pytest.param("I3", lambda e: e.of("events").pop(), id="the-last-event-gone"),
        pytest.param("I3", _change("events", content='{"payload": {}}'), id="another-content"),
        pytest.param("I3", _change("events", payload={}), id="another-payload"),
        pytest.param("I4", _stale_write, id="a-stale-write"),
        pytest.param("I4", _change("events", epoch=1), id="a-falling-epoch"),
        pytest.param("I4", _change("missions", epoch=1), id="an-epoch-never-reached"),
        pytest.param("I5", _change("budgets", token_budget=10), id="overspent"),
        pytest.param("I5", _change("model_calls", tokens=1), id="charged-otherwise"),
        pytest.param("I5", _spent_and_not_stored, id="spent-and-not-stored"),
        pytest.param("L", _change("missions", status="failed", code="internal_error"), id="failed-for-no-reason"),
        pytest.param("L", _change("missions", status="failed", code="root_unavailable"), id="no-root-was-away"),
        pytest.param("L", _change("missions", status="expired"), id="expired-before-its-deadline"),
        pytest.param("L", _change("missions", status="cancelled"), id="nobody-cancelled"),
        pytest.param("L", _change("missions", status="awaiting_approval"), id="waits-for-nothing"),
        pytest.param("L", _change("approvals", status="pending"), id="a-question-left-open"),
        pytest.param("L", lambda e: e.of("writebacks").pop(), id="granted-and-never-written"),
        pytest.param("L", _change("writebacks", status="intended"), id="no-outcome"),
        pytest.param("L", _change("writebacks", status="unknown"), id="unknown-for-no-reason"),
        pytest.param("T", _again("task.completed"), id="completed-twice"),
        pytest.param("T", _again("task.started"), id="begun-again"),
        pytest.param("T", _again("stage.entered"), id="a-stage-again"),
        pytest.param("H", _taken_over_soon, id="taken-over-soon"),
        pytest.param("H", _renewed_long_ago, id="renewed-and-taken-over"),
        pytest.param("A", _again("approval.decided"), id="answered-again"),
        pytest.param("A", _again("approval.decided", event_type="mission.expired"), id="expired-after-an-answer"),
        pytest.param("A", _said("answer", op="cancel"), id="cancelled-and-completed"),
        pytest.param("A", _edited_otherwise, id="edited-otherwise"),
        pytest.param("I6", lambda e: e.rows[-1].update(tenant_id="nobody"), id="another-tenants-row"),
        pytest.param("I6", _said("list", tenant_id="nobody"), id="shown-to-another-tenant"),
        pytest.param("I7", _other_payload, id="granted-otherwise"),
        pytest.param("I7", _nobody_said_yes, id="nobody-said-yes"),
        pytest.param("I7", lambda e: e.effects[-1].update(body={"x": 1}), id="something-else-written"),
        pytest.param("A", _said("answer"), id="two-answers"),
        pytest.param("A", lambda e: e.of("approvals")[0].update(decided_by="eve"), id="somebody-elses-answer"),
        pytest.param("S", _said("submit", mission_id="msn_other"), id="two-missions-a-key"),
        pytest.param(
            "S", lambda e: e.of("missions").append({**e.of("missions")[0], "mission_id": "x"}), id="a-stranger"
        ),
    ],
)
async def test_a_forgery_is_found(rule: str, forge: Forgery, evidence: Evidence) -> None:
    forged = copy.deepcopy(evidence)
    forge(forged)
    assert rule in {violation.rule for violation in judge(forged)}


async def test_every_rule_is_on_the_page_with_its_figures() -> None:
    assert {promise.rule for promise in report.PROMISES} == RULES.keys()
    assert report.page(report.read()) == report.PAGE.read_text(encoding="utf-8"), "python -m tests.faults.report"

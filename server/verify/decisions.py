"""Policy: every decision is what was decided, and nothing was done before every layer had let it pass."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.verify.chain import plane
from server.verify.contents import Contents, Event
from server.verify.plain import Broken, Record, digest

_SAYS = {"passed": "allow", "escalated": "escalate", "blocked": "deny"}
_BEFORE_WORK = ("admission", "scope", "routing")
_PLANNER = "planner"


def decisions(c: Contents) -> str:
    """Recompute what each decision was asked, and hold each gate event against the decision it reports.

    Raises:
        Broken: a question was changed, or a gate event says something else than the stored decision.
    """
    stored = c.of("policy_decision")
    rules = sorted({d.text("rules_sha256") for d in stored})
    if c.manifest.texts("rules") != rules:
        raise Broken("the rule sets the manifest names are not those that decided")
    for decision in stored:
        question = decision.record("question")
        if digest(question.fields) != decision.text("question_sha256"):
            raise Broken(f"{decision.where}: the question was changed after it was decided")
        if question.text("layer") != decision.text("layer"):
            raise Broken(f"{decision.where}: it was decided by another layer than the one that was asked")
    gates = [event for event in c.events if event.type.startswith("gate.")]
    for event in gates:
        _agrees(event, decision_of(c, event))
    return f"{len(stored)} decisions under {len(rules)} rule set(s), {len(gates)} gate events that agree with them"


def decision_of(c: Contents, event: Event) -> Record:
    """Return the decision that a gate event reports.

    Raises:
        Broken: the bundle does not hold it.
    """
    return c.artifact(event.payload.text("decision_id"), "pd_")


def _agrees(event: Event, decision: Record) -> None:
    where = f"event {event.seq} ({event.type})"
    outcome = event.payload.text("outcome")
    if _SAYS.get(outcome) != decision.text("outcome"):
        raise Broken(f"{where} says {outcome[:20]}, but the stored decision says {decision.text('outcome')[:20]}")
    if event.type != f"gate.{decision.text('layer')}":
        raise Broken(f"{where} reports a decision of another layer")
    if event.fields.text_or_none("artifact_id") != event.payload.text("decision_id"):
        raise Broken(f"{where} names two different decisions")
    for key in ("rules", "reasons"):
        if event.payload.texts(key) != decision.texts(key):
            raise Broken(f"{where} gives other {key} than the stored decision")


@dataclass
class _Passed:
    """What the gates have let pass so far."""

    layers: set[str] = field(default_factory=set)
    subjects: set[tuple[str, str]] = field(default_factory=set)
    blocked: int = 0
    escalated: bool = False
    decided: bool = False


def gates(c: Contents) -> str:
    """Walk the chain and see that every layer passed before the work that it guards.

    Raises:
        Broken: work was done without, before or against a decision.
    """
    passed = _Passed()
    work = 0
    for event in c.events:
        if event.type.startswith("gate."):
            _gate(c, event, passed)
        elif event.type == "approval.decided" or (c.rehearsed and event.type == "replay.answered"):
            passed.decided = True
        elif plane(event) == "data_plane" and event.type != "tool.denied":
            work += 1
            _work(event, passed)
    if passed.escalated and not passed.decided and c.mission.text("status") == "completed":
        raise Broken("a policy asked for a person, and the mission was completed without one")
    return f"{work} steps of work, each after every policy layer had let it pass"


def _gate(c: Contents, event: Event, passed: _Passed) -> None:
    decision = decision_of(c, event)
    layer, subject = decision.text("layer"), event.payload.text("subject")
    question = decision.record("question")
    if question.text("action") == "grant" and question.record("resource").text("id") != subject:
        raise Broken(f"event {event.seq} ({event.type}) uses a decision about another task's pass")
    if decision.text("outcome") == "deny":
        passed.blocked = passed.blocked or (0 if layer == "release" else event.seq)
        passed.subjects.discard((layer, subject))
        return
    passed.layers.add(layer)
    passed.subjects.add((layer, subject))
    passed.escalated = passed.escalated or (layer != "release" and decision.text("outcome") == "escalate")


def _planning(where: str, passed: _Passed) -> None:
    """Before there is a plan to judge, a model may be asked about what was admitted, on a tier routing let it go to."""
    if "admission" not in passed.layers or ("routing", _PLANNER) not in passed.subjects:
        raise Broken(f"{where}: the plan was put before a model without a passed routing decision of its own")


def _work(event: Event, passed: _Passed) -> None:
    where = f"event {event.seq} ({event.type})"
    if passed.blocked:
        raise Broken(f"{where} happened although a policy had blocked the mission at event {passed.blocked}")
    if event.type == "model.called" and event.payload.text("task_key") == _PLANNER:
        _planning(where, passed)
        return
    if missing := [layer for layer in _BEFORE_WORK if layer not in passed.layers]:
        raise Broken(f"{where} happened before the {missing[0]} policy had let the mission pass")
    if event.type == "task.started":
        task = event.payload.text("task_key")
        for layer in ("routing", "scope"):
            if (layer, task) not in passed.subjects:
                raise Broken(f"{where}: task {task[:60]} began without a passed {layer} decision of its own")
    if event.type.startswith("writeback."):
        if ("release", event.payload.text("proposal_id")) not in passed.subjects:
            raise Broken(f"{where} wrote something that the release policy had not let pass")
        if not passed.decided:
            raise Broken(f"{where} wrote something before a person had decided")

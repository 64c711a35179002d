from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.decisions import Outcome, PolicyQuestion
from contracts.evidence import Claim, Target
from contracts.mission import AutonomyTier, Level
from policies.engine import PolicyEngine
from policies.questions import accept_question, citations_verified
from tests.policies.build import (
    CATALYST,
    CITATION,
    HOSTILE,
    ORACLE,
    alone,
    approve,
    approver,
    edit,
    envelope,
    proposal,
    release,
    taint,
)

ALLOW, ESCALATE, DENY = Outcome.ALLOW, Outcome.ESCALATE, Outcome.DENY
FREE = {"autonomy_tier": AutonomyTier.AUTONOMOUS}


def sets(*fields: str, **changes: Any) -> PolicyQuestion:
    return release(proposal(after=dict.fromkeys(fields, "x"), **changes))


def does(operation: str, *fields: str, **changes: Any) -> PolicyQuestion:
    of = proposal(operation=operation, after=dict.fromkeys(fields or ("text",), "x"), precondition=None, before={})
    return release(of, **changes)


def asked_for(key: str, *fields: str) -> PolicyQuestion:
    inputs = {"lead_id": "lead-1", "fact_schema": [{"key": key, "description": ""}]}
    return release(proposal(after=dict.fromkeys(fields, "x")), inputs=inputs)


PAGE = proposal(entity="page", target_id="page-1", after={"summary": "x"})

CASES = [
    pytest.param(sets("stage"), ESCALATE, "person-decides", id="stage"),
    pytest.param(sets("notes", "budget_min", "budget_max", "area"), ESCALATE, "person-decides", id="usual-fields"),
    pytest.param(release(proposal(after={"attributes": {"area": "x"}})), ESCALATE, "person-decides", id="attributes"),
    pytest.param(does("note"), ESCALATE, "person-decides", id="note"),
    pytest.param(does("task", "title", "due_at"), ESCALATE, "person-decides", id="task"),
    pytest.param(does("message", "text", "channel"), ESCALATE, "message", id="message"),
    pytest.param(release(PAGE, mission_type=ORACLE), ESCALATE, "person-decides", id="own-page"),
    pytest.param(
        release(
            proposal(entity="page", target_id="page-1", after={"advisory": {"question": "why?", "answer": "so"}}),
            mission_type=ORACLE,
        ),
        ESCALATE,
        "person-decides",
        id="answer-on-the-own-page",
    ),
    pytest.param(release(mode="production"), ESCALATE, "person-decides", id="production"),
    pytest.param(release(proposal(taint=taint("stage"))), ESCALATE, "person-decides", id="tainted"),
    *(
        pytest.param(sets("stage", field), DENY, "never-fields", id=f"never-{field}")
        for field in (
            "owner",
            "email",
            "phone",
            "lead_id",
            "Email",
            "ownerId",
            "Owner-ID",
            "contact.email",
            "\uff45mail",
        )
    ),
    pytest.param(
        release(proposal(after={"stage": {"x": [{"email": "a@b"}]}})), DENY, "never-fields", id="never-however-deep"
    ),
    pytest.param(release(proposal(after={"secret": {"area": "x"}})), DENY, "lead-fields", id="unknown-container"),
    pytest.param(sets("commission"), DENY, "lead-fields", id="unlisted-field"),
    pytest.param(sets("\u043ewner"), DENY, "lead-fields", id="look-alike-field"),
    pytest.param(asked_for("commission", "commission", "stage"), ESCALATE, "person-decides", id="asked-field"),
    pytest.param(asked_for("rent", "rent_max"), ESCALATE, "person-decides", id="bound-of-an-asked-field"),
    pytest.param(asked_for("email", "email"), DENY, "never-fields", id="asked-but-never"),
    pytest.param(asked_for("pets", "commission"), DENY, "lead-fields", id="another-field-than-asked"),
    pytest.param(does("note", "stage"), DENY, "note-fields", id="note-that-patches"),
    pytest.param(does("task", "webhook"), DENY, "task-fields", id="task-with-a-webhook"),
    pytest.param(does("task", "assignee"), DENY, "never-fields", id="task-for-somebody"),
    pytest.param(does("message", "text", "to"), DENY, "never-fields", id="message-to-somebody-else"),
    pytest.param(does("message", "text", "attachment"), DENY, "message-fields", id="message-with-an-attachment"),
    pytest.param(
        release(proposal(operation="message", after={"text": "x", "channel": "sms"}, taint=taint("channel"))),
        DENY,
        "tainted-channel",
        id="channel-chosen-by-the-customer",
    ),
    pytest.param(
        release(
            proposal(after={"attributes": {"Channel": "sms"}}, taint=taint("attributes")),
            inputs={"lead_id": "lead-1", "fact_schema": [{"key": "channel", "description": ""}]},
        ),
        DENY,
        "tainted-channel",
        id="channel-chosen-within-another-field",
    ),
    pytest.param(
        release(proposal(entity="page", target_id="page-1", after={"script": "x"}), mission_type=ORACLE),
        DENY,
        "page-fields",
        id="page-script",
    ),
    pytest.param(release(proposal(after={})), DENY, "empty", id="changes-nothing"),
    pytest.param(release(verified=False), DENY, "unproven", id="unverified-claims"),
    pytest.param(release(proposal(citations=())), DENY, "unproven", id="uncited"),
    pytest.param(release(proposal(target_id="lead-2")), DENY, "foreign-target", id="another-lead"),
    pytest.param(release(proposal(), inputs={}), DENY, "foreign-target", id="mission-without-a-lead"),
    pytest.param(release(proposal(target_id=""), inputs={"lead_id": ""}), DENY, "foreign-target", id="empty-lead"),
    pytest.param(
        release(proposal(target=Target(system="billing", entity="lead", id="lead-1"))),
        DENY,
        "foreign-target",
        id="system",
    ),
    pytest.param(release(PAGE), DENY, "operation", id="page-from-a-crm-mission"),
    pytest.param(
        release(proposal(), mission_type=CATALYST, inputs={"lead_id": "lead-1"}), DENY, "operation", id="catalyst"
    ),
    pytest.param(release(proposal(payload_sha256="0" * 64)), DENY, "hash-broken", id="broken-hash"),
    pytest.param(release(proposal(precondition=None)), DENY, "blind-patch", id="blind-patch"),
    pytest.param(release(mode="staging"), DENY, "unknown-mode", id="unknown-mode"),
    pytest.param(release(autonomy_tier=AutonomyTier.ADVISE), DENY, "advise-only", id="advise"),
    pytest.param(release(deployment_tier=AutonomyTier.ADVISE), DENY, "advise-only", id="advise-by-the-deployment"),
    pytest.param(does("note", **FREE), ALLOW, "autonomous-note-or-task", id="autonomous-note"),
    pytest.param(
        does("note", deployment_tier=AutonomyTier.ASSISTED, **FREE),
        ESCALATE,
        "person-decides",
        id="stricter-deployment",
    ),
    pytest.param(
        does("note", mode="production", **FREE), DENY, "no-autonomy-in-production", id="autonomous-production"
    ),
    pytest.param(release(**FREE), ESCALATE, "person-decides", id="autonomous-patch"),
    pytest.param(does("message", **FREE), ESCALATE, "message", id="autonomous-message"),
    pytest.param(
        release(proposal(operation="note", after={"text": "x"}, taint=taint("text")), **FREE),
        ESCALATE,
        "person-decides",
        id="autonomous-tainted-note",
    ),
    pytest.param(
        release(proposal(operation="note", after={"text": "x"}, risk_level=Level.MEDIUM), **FREE),
        ESCALATE,
        "person-decides",
        id="autonomous-risky-note",
    ),
]


@pytest.mark.parametrize(("question", "outcome", "rule"), CASES)
def test_release(engine: PolicyEngine, question: PolicyQuestion, outcome: Outcome, rule: str) -> None:
    decision = engine.ask(question)
    assert decision.outcome is outcome, decision.reasons
    assert f"release.{rule}" in decision.rules


def test_the_approver_is_told_which_fields_are_tainted(engine: PolicyEngine) -> None:
    tainted = engine.ask(release(proposal(after={"stage": "x", "notes": "y"}, taint=taint("notes"))))
    assert tainted.reasons == ("a person must approve this change; fields derived from untrusted text: notes",)
    clean = engine.ask(release())
    assert clean.reasons == ("a person must approve this change; fields derived from untrusted text: none",)


@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in HOSTILE.items() if n != "surrogate"])
def test_hostile_field_names_and_targets_are_refused(engine: PolicyEngine, text: str) -> None:
    assert engine.ask(sets("stage", text)).outcome is DENY
    assert engine.ask(release(proposal(target_id=text))).outcome is DENY
    assert engine.ask(release(proposal(entity=text))).outcome is DENY


@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in HOSTILE.items() if n != "surrogate"])
def test_hostile_values_change_no_outcome(engine: PolicyEngine, text: str) -> None:
    decision = engine.ask(release(proposal(after={"stage": text, "notes": [text]}, rationale=text)))
    assert decision.rules == ("release.person-decides",)


PRODUCTION = {"deployment_mode": "production"}
TWO = {"people": 2}


def agreed(*people: str) -> list[frozenset[Any]]:
    return [frozenset(people)]


BOB, STRANGER, READER = approver(), approver(tenant="other"), approver(capabilities=("mission:read",))

APPROVALS = [
    pytest.param(BOB, {}, ALLOW, "approver-approves", id="approver"),
    pytest.param(approver("ann"), {}, ALLOW, "approver-approves", id="requester"),
    pytest.param(READER, {}, DENY, "not-an-approver", id="no-capability"),
    pytest.param(approver(capabilities=("mission:approve ",)), {}, DENY, "not-an-approver", id="near-capability"),
    pytest.param(approver(capabilities=("mission:approve\0",)), {}, DENY, "not-an-approver", id="unclean-capability"),
    pytest.param(STRANGER, {}, DENY, "other-tenant", id="other-tenant"),
    pytest.param(approver("ann"), PRODUCTION, DENY, "own-request", id="own-request"),
    pytest.param(approver("ann"), {"deployment_mode": "of-tomorrow"}, DENY, "own-request", id="unknown-mode"),
    pytest.param(replace(BOB, on_behalf_of="ann"), PRODUCTION, DENY, "own-request", id="for-the-requester"),
    pytest.param(BOB, PRODUCTION, ALLOW, "approver-approves", id="somebody-elses-request"),
    pytest.param(BOB, TWO, ALLOW, "approver-approves", id="first-of-two"),
    pytest.param(BOB, {**TWO, "agreed": agreed("cyd")}, ALLOW, "approver-approves", id="second-of-two"),
    pytest.param(BOB, {**TWO, "agreed": agreed("bob")}, DENY, "second-person", id="same-person-twice"),
    pytest.param(BOB, {**TWO, "agreed": agreed("eve", "bob")}, DENY, "second-person", id="delegator-after-delegate"),
    pytest.param(
        replace(BOB, on_behalf_of="cyd"), {**TWO, "agreed": agreed("cyd")}, DENY, "second-person", id="delegate-after"
    ),
]


@pytest.mark.parametrize(("person", "circumstances", "outcome", "rule"), APPROVALS)
def test_approve(engine: PolicyEngine, person: Any, circumstances: dict[str, Any], outcome: Outcome, rule: str) -> None:
    decision = engine.ask(approve(person, proposal(), **circumstances))
    assert decision.outcome is outcome, decision.reasons
    assert f"release.{rule}" in decision.rules


ALONE = [
    pytest.param({}, {}, "production", ALLOW, "one-person", id="low-risk"),
    pytest.param({"risk_level": Level.MEDIUM}, {}, "production", ALLOW, "one-person", id="medium-risk"),
    pytest.param({"risk_level": Level.HIGH}, {}, "production", ESCALATE, "two-people", id="high-risk"),
    pytest.param({}, {"risk_level": Level.HIGH}, "production", ESCALATE, "two-people", id="mission-of-high-risk"),
    pytest.param({"operation": "message"}, {}, "developer-full", ESCALATE, "two-people", id="message"),
    pytest.param({"risk_level": Level.HIGH}, {}, "of-tomorrow", ESCALATE, "two-people", id="unknown-mode"),
    pytest.param({"risk_level": Level.HIGH}, {}, "developer-light", ALLOW, "one-person", id="this-machine-only"),
]


@pytest.mark.parametrize(("of", "mission", "mode", "outcome", "rule"), ALONE)
def test_who_decides_alone(
    engine: PolicyEngine, of: dict[str, Any], mission: dict[str, Any], mode: str, outcome: Outcome, rule: str
) -> None:
    decision = engine.ask(alone(proposal(**of), mode, **mission))
    assert (decision.outcome, decision.rules) == (outcome, (f"release.{rule}",))


ACCEPTS = [
    pytest.param(BOB, "production", ALLOW, "approver-accepts", id="approver"),
    pytest.param(approver("ann"), "production", DENY, "own-request", id="own-request"),
    pytest.param(approver("ann"), "developer-full", ALLOW, "approver-accepts", id="own-request-in-development"),
    pytest.param(READER, "production", DENY, "not-an-approver", id="no-capability"),
    pytest.param(STRANGER, "production", DENY, "other-tenant", id="other-tenant"),
]


@pytest.mark.parametrize(("person", "mode", "outcome", "rule"), ACCEPTS)
def test_accept(engine: PolicyEngine, person: Any, mode: str, outcome: Outcome, rule: str) -> None:
    decision = engine.ask(accept_question(person, envelope(), deployment_mode=mode))
    assert decision.outcome is outcome, decision.reasons
    assert f"release.{rule}" in decision.rules


def test_nobody_can_approve_a_proposal_whose_hash_is_broken(engine: PolicyEngine) -> None:
    decision = engine.ask(approve(BOB, proposal(payload_sha256="0" * 64)))
    assert decision.rules == ("release.hash-broken",)


EDITS = [
    pytest.param(edit(proposal(after={"stage": "lost"})), ALLOW, "approver-edits", id="another-value"),
    pytest.param(edit(proposal(after={"notes": "x"})), ALLOW, "approver-edits", id="another-field"),
    pytest.param(edit(proposal(after={"email": "x"})), DENY, "never-fields", id="never-field"),
    pytest.param(edit(proposal(after={})), DENY, "empty", id="nothing"),
    pytest.param(edit(proposal(target_id="lead-2")), DENY, "edit-out-of-bounds", id="another-target"),
    pytest.param(
        edit(proposal(operation="note", after={"text": "x"})), DENY, "edit-out-of-bounds", id="another-operation"
    ),
    pytest.param(edit(proposal(precondition='W/"8"')), DENY, "edit-out-of-bounds", id="another-version"),
    pytest.param(edit(proposal(risk_level=Level.HIGH)), DENY, "edit-out-of-bounds", id="another-risk"),
    pytest.param(edit(proposal(after={"stage": "x"}), READER), DENY, "not-an-approver", id="no-capability"),
    pytest.param(edit(proposal(after={"stage": "x"}), STRANGER), DENY, "other-tenant", id="other-tenant"),
    pytest.param(edit(proposal(), autonomy_tier=AutonomyTier.ADVISE), DENY, "advise-only", id="advise"),
]


@pytest.mark.parametrize(("question", "outcome", "rule"), EDITS)
def test_edit(engine: PolicyEngine, question: PolicyQuestion, outcome: Outcome, rule: str) -> None:
    decision = engine.ask(question)
    assert decision.outcome is outcome, decision.reasons
    assert f"release.{rule}" in decision.rules


@pytest.mark.parametrize(
    ("status", "verified"),
    [
        pytest.param("verified", True, id="verified"),
        pytest.param("proposed", False, id="not-reviewed"),
        pytest.param("rejected", False, id="rejected"),
    ],
)
def test_a_citation_counts_when_a_verified_claim_has_it(status: Any, verified: bool) -> None:
    claim = Claim(
        claim_id="cl_1",
        text="They want three bedrooms",
        subject="lead",
        attribute="bedrooms",
        value="3",
        citations=(CITATION,),
        confidence=1,
        status=status,
    )
    assert citations_verified(proposal(), [claim]) is verified
    assert not citations_verified(proposal(), [])


def test_the_tenants_own_fact_keys_may_be_filled_in(engine: PolicyEngine) -> None:
    of = proposal(after={"commission": "x"})
    named = approve(BOB, of, fact_keys=("commission",))
    assert engine.ask(named).outcome is ALLOW
    assert engine.ask(approve(BOB, of)).rules == ("release.lead-fields",)

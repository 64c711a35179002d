"""The shapes of the API, written by `generate.py` from the service's own description. Don't edit."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

ArtifactKind: TypeAlias = "Literal['task', 'prompt_package', 'librarian_pass', 'research_artifact', 'worker_result', 'aggregation_packet', 'review_packet', 'policy_decision', 'writeback']"
AutonomyTier: TypeAlias = "Literal['advise', 'assisted', 'autonomous']"
EffectStatus: TypeAlias = "Literal['proposed', 'withheld', 'approved', 'rejected', 'intended', 'applied', 'conflicted', 'failed', 'unknown']"
EventType: TypeAlias = "Literal['intent.received', 'gate.admission', 'gate.scope', 'gate.routing', 'gate.release', 'plan.created', 'prompt.packaged', 'pass.issued', 'pass.renewed', 'evidence.gathered', 'dataplane.dispatched', 'task.started', 'task.completed', 'task.failed', 'model.called', 'model.fallback', 'tool.called', 'tool.denied', 'artifact.delivered', 'aggregation.completed', 'review.completed', 'review.revised', 'stage.entered', 'approval.requested', 'approval.given', 'approval.refused', 'approval.escalated', 'approval.decided', 'proposal.withheld', 'writeback.intended', 'writeback.applied', 'writeback.conflicted', 'writeback.failed', 'writeback.unknown', 'budget.exceeded', 'constitution.updated', 'mission.completed', 'mission.blocked', 'mission.rejected', 'mission.cancelled', 'mission.expired', 'mission.failed', 'mission.retried', 'mission.resumed', 'mission.forked', 'replay.answered', 'replay.simulated']"
Level: TypeAlias = "Literal['low', 'medium', 'high']"
MissionClass: TypeAlias = "Literal['crm_lead_intelligence', 'oracle_advisory', 'catalyst_strategy_brief']"
ModelTier: TypeAlias = "Literal['tier_local_private', 'tier_cloud_standard', 'tier_high_reasoning']"
Phase: TypeAlias = "Literal['control_plane', 'data_plane', 'gate']"
ReviewLevel: TypeAlias = "Literal['standard', 'person']"
ReviewPacket: TypeAlias = "dict[str, Any]"
Sensitivity: TypeAlias = "Literal['public', 'internal', 'personal']"
Stage: TypeAlias = "Literal['admission', 'planner', 'prompt_master', 'librarian', 'researcher', 'workers', 'aggregator', 'reviewer', 'release_gate', 'writeback', 'finalize', 'blocked', 'failed']"
Status: TypeAlias = "Literal['received', 'running', 'awaiting_approval', 'completed', 'blocked', 'rejected', 'cancelled', 'expired', 'failed']"
Trust: TypeAlias = "Literal['system', 'operator', 'customer', 'web']"
Verdict: TypeAlias = "Literal['approve', 'reject', 'edit']"


class Accepted(TypedDict):
    """A command that was accepted, with the status it led to."""

    mission_id: str
    status: Status
    links: Links


class Activated(TypedDict):
    """Who put which version in force, and when."""

    number: int
    version: int
    rules_sha256: str
    activated_by: str
    reason: str
    activated_at: str


class Answer(TypedDict):
    """The answer to an advisory question, or that the evidence does not support one."""

    text: str
    status: Literal['supported', 'partial', 'unsupported']
    claim_ids: list[str]


class Approval(TypedDict):
    """A question that waits for people; ``required`` must agree, ``given`` have, on what is still open."""

    mission_id: str
    mission_type: MissionClass
    interrupt_id: str
    requested_by: str
    risk_level: Level | None
    proposals: list[WritebackProposal]
    standings: list[ProposalStanding]
    reasons: list[str]
    required: int
    given: int
    answers: list[PersonsAnswer]
    consequences: Consequences
    escalates_at: str | None
    escalated_at: str | None
    expires_at: str
    age_ms: int


class Approvals(TypedDict):
    """The queue of pending approvals, oldest first."""

    items: list[Approval]


class Artifact(TypedDict):
    """One stored artifact; ``payload`` is its content as it was hashed, ``revision`` the plan's."""

    artifact_id: str
    kind: ArtifactKind
    task_key: str | None
    revision: int
    sha256: str
    status: str
    created_at: str
    payload: dict[str, Any]


ArtifactChange = TypedDict("ArtifactChange", {"kind": 'str', "task_key": 'str | None', "source": 'str | None', "from": 'Named | None', "to": 'Named | None', "changes": 'list[Change]'})


class Artifacts(TypedDict):
    """A mission's artifacts in the order they were stored."""

    items: list[Artifact]


class Because(TypedDict):
    """Why a task came to another result."""

    task_key: str
    because: list[str]


class CantSay(TypedDict):
    """A decision whose question does not fit what the rules look at."""

    mission_id: str
    decision_id: str
    why: str


Change = TypedDict("Change", {"path": 'str', "from": 'Any', "to": 'Any'})


class Changes(TypedDict):
    """What a counterfactual changed, and why."""

    plan: list[Keyed]
    claims: list[Keyed]
    proposals: list[Keyed]
    decisions: list[Decided]
    why: list[Because]


ChannelChange = TypedDict("ChannelChange", {"from": 'Any', "to": 'Any'})


class Checkpoints(TypedDict):
    """A mission's checkpoints, newest first."""

    items: list[HistoryCheckpoint]
    next_cursor: str | None


class Citation(TypedDict):
    """A verbatim quote: ``text[start:end] == quote`` in the cited artifact's text."""

    artifact_id: str
    quote: str
    start: int
    end: int


class CitedSource(TypedDict):
    """Where a cited piece of evidence comes from, and whose text it is."""

    artifact_id: str
    kind: str
    trust: Trust
    system: str
    entity: str
    id: str
    title: str


class Claim(TypedDict, total=False):
    """One statement with its proof."""

    claim_id: str
    text: str
    subject: str
    attribute: str
    value: str | None
    unit: str | None
    polarity: Literal['affirmed', 'negated']
    time: str | None
    citations: list[Citation]
    confidence: float
    status: Literal['proposed', 'verified', 'rejected']


class Consequences(TypedDict):
    """What happens on approval, on rejection and when nobody answers in time."""

    approve: str
    reject: str
    expire: str


class Constitution(TypedDict, total=False):
    """One version of it."""

    schema_version: Literal['v1']
    version: int
    previous_sha256: str | None
    principles: list[str]
    people: int
    limits: HardLimits


class ConstitutionEntry(TypedDict):
    """What somebody did about a document; ``actor_id`` is null for people of another tenant."""

    event: Literal['proposed', 'approved', 'rejected', 'activated']
    actor_id: str | None
    reason: str
    at: str


class ConstitutionState(TypedDict):
    """What is in force; without one that verifies no mission runs, and ``code``, ``reason`` and ``hint`` say why."""

    status: Literal['in_force', 'unverified']
    version: int | None
    sha256: str | None
    constitution: Constitution | None
    code: str | None
    reason: str | None
    hint: str | None


class ConstitutionVersion(TypedDict):
    """A signed document: ``agreed`` different people of the ``people`` that it needs; without one if it was changed."""

    sha256: str
    version: int
    previous_sha256: str | None
    key_id: str
    status: Literal['proposed', 'rejected', 'in_force', 'superseded']
    agreed: int
    people: int | None
    proposed_at: str
    activated_at: str | None
    log: list[ConstitutionEntry]
    constitution: Constitution | None


class ConstitutionVersions(TypedDict):
    """Every document that was proposed, oldest first."""

    items: list[ConstitutionVersion]


class Contradiction(TypedDict):
    """The same attribute of the same subject with different values, and what was made of it."""

    subject: str
    attribute: str
    values: list[ContradictionValue]
    resolution: str


class ContradictionValue(TypedDict):
    """One side of a contradiction."""

    value: str
    claim_id: str


Decided = TypedDict("Decided", {"layer": 'str', "action": 'str', "resource": 'str', "change": "Literal['flipped', 'asked', 'not asked']", "from": 'str | None', "to": 'str | None', "rules": 'list[str]', "reasons": 'list[str]'})


class Delegation(TypedDict):
    """One person's right to answer approvals, lent for a time to a person or to whoever holds a role."""

    delegation_id: str
    actor_id: str
    to_actor: str | None
    to_role: str | None
    reason: str
    created_at: str
    expires_at: str
    revoked_at: str | None
    revoked_by: str | None


class Delegations(TypedDict):
    """Delegations, newest first."""

    items: list[Delegation]


Difference = TypedDict("Difference", {"from": 'HistoryPlace', "to": 'HistoryPlace', "channels": 'dict[str, ChannelChange]', "artifacts": 'list[ArtifactChange]'})


class Divergence(TypedDict, total=False):
    """Where a replay first asked or made something else; ``diff`` is of the requests, a value a line."""

    stage: str
    revision: int
    task_key: str | None
    channel: str
    call: str
    expected: dict[str, Any] | None
    found: dict[str, Any] | None
    diff: list[str] | None


class Envelope(TypedDict):
    """What was asked, by whom, with which budgets; what admission decides is null until then."""

    schema_version: Literal['v1']
    mission_id: str
    mission_type: MissionClass
    origin_surface: str
    user_goal: str
    normalized_goal: str | None
    tenant_id: str
    actor_id: str
    risk_level: Level | None
    sensitivity_class: Sensitivity | None
    autonomy_tier: AutonomyTier | None
    review_level: ReviewLevel | None
    time_budget_ms: int
    token_budget: int
    requested_outputs: list[str]
    inputs: dict[str, Any]
    metadata: dict[str, Any]
    trace_id: str


class Event(TypedDict):
    """One recorded event; ``hash`` covers ``prev_hash``, ``seq`` and the rest."""

    schema_version: Literal['v1']
    event_id: str
    mission_id: str
    tenant_id: str
    seq: int
    trace_id: str
    span_id: str
    actor: str
    intent: str
    artifact_id: str | None
    phase: Phase
    event_type: EventType
    timestamp: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str


class Events(TypedDict):
    """A mission's events by seq."""

    items: list[Event]


class Explanation(TypedDict):
    """Why something was decided; ``reproduced``: asked again under the rules of then, it is decided the same."""

    decision_id: str
    layer: str
    action: str
    outcome: str
    reasons: list[str]
    rules: list[RuleTold]
    rules_sha256: str
    inputs: dict[str, Any]
    missions: list[PolicyPlace]
    reproduced: bool | None
    constitution: list[str]
    without: list[WithoutRules]
    changes: list[WithAnother]
    now: Now


class Fact(TypedDict):
    """A claim's value under the key that was asked for."""

    key: str
    value: str
    claim_id: str


class Failure(TypedDict):
    """Why the mission ended otherwise than completed, where, and what to do."""

    code: str
    reason: str
    stage: str
    hint: str


class FlipShown(TypedDict):
    """A decision that would have been another."""

    mission_id: str
    decision_id: str
    revision: int
    decided_at: str
    layer: str
    action: str
    subject: str
    was: str
    now: str
    rules_was: list[str]
    rules_now: list[str]
    reasons_now: list[str]


class Halt(TypedDict):
    """One halt; ``scope`` is the tenant's own, or everybody's."""

    halt_id: int
    scope: str
    actor_id: str
    reason: str
    created_at: str
    lifted_at: str | None
    lifted_by: str | None


class Halts(TypedDict):
    """Whether the tenant is halted, and its halts, those in force first."""

    halted: bool
    items: list[Halt]


class HardLimits(TypedDict, total=False):
    """What code enforces, whatever the rules say."""

    autonomy_tiers: list[AutonomyTier]
    effects: list[Literal['patch', 'note', 'task', 'message']]
    external_research: bool
    personal_data_tiers: list[ModelTier]
    high_risk_people: int
    forbidden_fields: list[str]
    rules_sha256: list[str]


class Key(TypedDict):
    """A key, but for the key itself."""

    key_id: str
    name: str
    actor_id: str
    capabilities: list[str]
    made_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class KeyList(TypedDict):
    """A tenant's keys, newest first, those that were revoked included."""

    items: list[Key]


class Keyed(TypedDict, total=False):
    """A task, claim or proposal that is gone, new or changed, with the values that differ."""

    task_key: str | None
    claim: str | None
    proposal: str | None
    change: Literal['gone', 'new', 'changed']
    values: list[Change]


class Lineage(TypedDict):
    """The mission this one was made from, if any."""

    parent_mission_id: str | None
    parent_checkpoint_id: str | None
    kind: str | None


class Links(TypedDict):
    """Where a mission's parts are."""

    self: str
    events: str
    artifacts: str
    checkpoints: str
    bundle: str


class MadeKey(TypedDict):
    """A key that was made: ``key`` is shown this once."""

    key_id: str
    name: str
    actor_id: str
    capabilities: list[str]
    made_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    key: str


class Metric(TypedDict, total=False):
    """A number computed by code, with the formula and how many rows went in."""

    name: str
    value: float | int | str | None
    unit: str
    formula: str
    rows: int
    group: str | None


class Mission(TypedDict):
    """A mission whole."""

    mission_id: str
    mission_type: MissionClass
    status: Status
    stage: Stage
    envelope: Envelope
    risk_level: Level | None
    sensitivity_class: Sensitivity | None
    usage: Usage
    failure: Failure | None
    lineage: Lineage
    graph_version: str
    trace_id: str
    created_at: str
    updated_at: str
    links: Links
    packet: Packet | None
    pending_approval: Approval | None


class MissionPage(TypedDict):
    """Missions, newest first."""

    items: list[MissionSummary]
    next_cursor: str | None


class MissionSummary(TypedDict):
    """A mission as a list shows it."""

    mission_id: str
    mission_type: MissionClass
    status: Status
    stage: Stage
    envelope: Envelope
    risk_level: Level | None
    sensitivity_class: Sensitivity | None
    usage: Usage
    failure: Failure | None
    lineage: Lineage
    graph_version: str
    trace_id: str
    created_at: str
    updated_at: str
    links: Links


class Named(TypedDict):
    """An artifact by its name and hash."""

    artifact_id: str
    sha256: str


class Node(TypedDict):
    """A mission in the tree of what comes of one."""

    mission_id: str
    kind: str | None
    checkpoint_id: str | None
    status: str
    stage: str
    created_at: str
    children: list[Node]


class Now(TypedDict):
    """Asked again under the rules that are in force now."""

    outcome: str
    rules: list[str]
    rules_sha256: str


class Packet(TypedDict):
    """What the review released."""

    summary: str
    claims: list[Claim]
    facts: list[Fact]
    answer: Answer | None
    metrics: list[Metric]
    findings: list[str]
    next_steps: list[str]
    drafts: list[dict[str, Any]]
    contradictions: list[Contradiction]
    open_questions: list[str]
    writebacks: list[Writeback]
    taint: list[Taint]
    review: ReviewPacket


class Part(TypedDict, total=False):
    """One part that the service depends on."""

    status: Literal['ok', 'down']
    code: str | None


class PersonsAnswer(TypedDict):
    """An answer that somebody gave while others are still needed."""

    actor_id: str
    on_behalf_of: str | None
    at: str
    verdicts: dict[str, Verdict]
    reason: str | None


class Problem(TypedDict, total=False):
    """Problem details (RFC 9457): ``code`` is stable, ``trace_id`` is the one in the log, ``hint`` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str
    hint: str


class ProposalStanding(TypedDict):
    """How one pending proposal stands."""

    proposal_id: str
    payload_sha256: str
    standing: Literal['open', 'agreed', 'turned_down']
    required: int
    given: int
    given_by: list[str]
    edited_by: str | None
    turned_down_by: str | None
    proposed: dict[str, Any] | None
    rules: list[str]
    reasons: list[str]
    sources: list[CitedSource]


class Readiness(TypedDict):
    """Whether the service can answer, and the state of each of its parts."""

    status: Literal['ok', 'degraded']
    parts: dict[str, Part]


class ReplayReport(TypedDict):
    """What a replay came to, and what differs first; an original that was stopped is compared as far as it came."""

    mission_id: str
    of: str
    mode: Literal['recorded', 'live']
    identical: bool
    artifacts: int
    artifacts_identical: int
    calls: int
    under_other_rules: int
    stopped: bool
    by_stage: dict[str, dict[str, int]]
    roles: dict[str, int]
    overrides: list[str]
    changes: Changes | None
    status: dict[str, str]
    failure: dict[str, Any] | None
    first_divergence: Divergence | None
    first_call: Divergence | None


class RuleFinding(TypedDict):
    """What is certainly wrong with a rule that validates."""

    rule_id: str
    file: str
    code: str
    severity: str
    message: str


class RuleShown(TypedDict):
    """One rule: for an escalation ``escalate`` is what people are told."""

    rule_id: str
    layer: str
    effect: str
    file: str
    reason: str
    escalate: str | None


class RuleState(TypedDict):
    """What is in force: ``usable`` is false where the active version does not fit the rules that ship by now."""

    active_version: int
    rules_sha256: str
    usable: bool
    shipped_sha256: str
    items: list[RuleVersion]
    activations: list[Activated]


class RuleTold(TypedDict):
    """A rule that determined a decision, as its author wrote it."""

    rule_id: str
    layer: str
    effect: str
    file: str
    reason: str
    escalate: str | None
    text: str


class RuleVersion(TypedDict):
    """One version of a tenant's rules; 0 is the shipped rules alone."""

    version: int
    note: str
    made_by: str | None
    created_at: str | None
    active: bool


class RuleVersionWhole(TypedDict):
    """A version with its files; ``problems`` say why it can't be activated, ``rules_sha256`` names the whole."""

    version: int
    note: str
    made_by: str | None
    created_at: str | None
    active: bool
    files: dict[str, str]
    ok: bool
    problems: list[str]
    findings: list[RuleFinding]
    tests_passed: int
    untested: list[str]
    rules: list[RuleShown]
    rules_sha256: str | None


class RulesChecked(TypedDict):
    """Whether rules could be put in force, what is wrong with them otherwise, and which no test is about."""

    ok: bool
    problems: list[str]
    findings: list[RuleFinding]
    tests_passed: int
    untested: list[str]
    rules: list[RuleShown]
    rules_sha256: str | None


class State(TypedDict):
    """A checkpoint with the state at it."""

    checkpoint_id: str
    parent_id: str | None
    step: int
    stage: str
    next: list[str]
    created_at: str
    changed: list[str]
    state: dict[str, Any]


class Submitted(TypedDict):
    """A mission that was accepted."""

    mission_id: str
    status: Literal['received']
    trace_id: str
    links: Links


class Taint(TypedDict):
    """One field of a proposal that was derived from untrusted text, and by which evidence."""

    field: str
    trust: Trust
    artifact_ids: list[str]


class Target(TypedDict):
    """What a proposal would change."""

    system: str
    entity: str
    id: str


class Usage(TypedDict):
    """What the mission's model calls used."""

    tokens_in: int
    tokens_out: int
    cost_usd: float
    model_calls: int


class WhatIfPage(TypedDict):
    """A page of history under other rules: ``examined`` decisions, as ``questions`` different ones."""

    rules_sha256: str
    total: int | None
    examined: int
    questions: int
    flips: list[FlipShown]
    unanswerable: list[CantSay]
    next_cursor: str | None


class WithAnother(TypedDict):
    """With another value of one input; ``stilled`` are the rules that would not have determined it any more."""

    outcome: str
    rules: list[str]
    path: str
    was: Any
    instead: Any
    stilled: list[str]


class WithoutRules(TypedDict):
    """Without these rules."""

    outcome: str
    rules: list[str]
    removed: list[str]


class Writeback(TypedDict):
    """A proposed change with how it ended."""

    proposal_id: str
    target: Target
    operation: Literal['patch', 'note', 'task', 'message']
    precondition: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    rationale: str
    citations: list[Citation]
    taint: list[Taint]
    risk_level: Level
    payload_sha256: str
    status: EffectStatus
    outcome: dict[str, Any] | None


class WritebackProposal(TypedDict):
    """A change wanted in a root system; the hash binds every field that a person approves."""

    proposal_id: str
    target: Target
    operation: Literal['patch', 'note', 'task', 'message']
    precondition: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    rationale: str
    citations: list[Citation]
    taint: list[Taint]
    risk_level: Level
    payload_sha256: str


class ShapesHealth(TypedDict):
    """The process is up."""

    status: Literal['ok']


class HistoryCheckpoint(TypedDict):
    """One checkpoint: the stage that it was written after, what comes next, and the channels that it changed."""

    checkpoint_id: str
    parent_id: str | None
    step: int
    stage: str
    next: list[str]
    created_at: str
    changed: list[str]


class HistoryPlace(TypedDict):
    """A checkpoint of a mission."""

    mission_id: str
    checkpoint_id: str


class PolicyPlace(TypedDict):
    """Where a decision was made: the same question has the same decision in every mission."""

    mission_id: str
    revision: int
    decided_at: str

"""Questions of the release layer: may a proposal go on, may a person edit it, may a person approve it?"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.amounts import amounts
from contracts.base import ActorId
from contracts.canonical import canonical_bytes
from contracts.decisions import PolicyQuestion
from contracts.evidence import Claim, WritebackProposal, payload_sha256
from contracts.mission import AutonomyTier, MissionEnvelope
from contracts.stateflow import Layer
from policies import entities
from policies.entities import Approver, names, plain
from policies.limits import ALLOWANCES, ROOT_SYSTEMS, TARGET_INPUTS, WRITE_TOOLS

_TIERS = tuple(AutonomyTier)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHORT = 40
_MOST = 2**63 - 1
_NOT_WORD = re.compile(r"[^\w]+")


def release_question(
    envelope: MissionEnvelope,
    proposal: WritebackProposal,
    *,
    deployment_mode: str,
    autonomy_tier: AutonomyTier,
    claims_verified: bool,
    fact_keys: Collection[str] = (),
) -> PolicyQuestion:
    """May this proposal go on: to a person, or, where policy lets it, straight to the root?

    ``autonomy_tier`` is the deployment's; the stricter of it and the mission's own holds. ``fact_keys`` are the
    tenant's own fact schema's; the keys of a schema that came with the mission's inputs are known anyway.
    """
    return PolicyQuestion(
        layer=Layer.RELEASE,
        action="release",
        principal=entities.mission(envelope),
        resource=_proposal(envelope, proposal, fact_keys),
        context={"change": _circumstances(envelope, deployment_mode, autonomy_tier, claims_verified=claims_verified)},
    )


def edit_question(
    person: Approver,
    envelope: MissionEnvelope,
    proposed: WritebackProposal,
    edited: WritebackProposal,
    *,
    deployment_mode: str,
    autonomy_tier: AutonomyTier,
    claims_verified: bool,
    fact_keys: Collection[str] = (),
) -> PolicyQuestion:
    """May this person put this in the place of what was proposed? What was never to be written isn't by an edit."""
    change = _circumstances(envelope, deployment_mode, autonomy_tier, claims_verified=claims_verified)
    return PolicyQuestion(
        layer=Layer.RELEASE,
        action="edit",
        principal=entities.approver(person),
        resource=_proposal(envelope, edited, fact_keys),
        context={"change": change, "only_after_changed": _bounds(proposed) == _bounds(edited)},
    )


def alone_question(
    envelope: MissionEnvelope,
    proposal: WritebackProposal,
    *,
    deployment_mode: str,
    autonomy_tier: AutonomyTier,
    claims_verified: bool,
    fact_keys: Collection[str] = (),
) -> PolicyQuestion:
    """May one person alone approve this? Whatever is not an allowance means that two different people must."""
    return PolicyQuestion(
        layer=Layer.RELEASE,
        action="approve_alone",
        principal=entities.mission(envelope),
        resource=_proposal(envelope, proposal, fact_keys),
        context={"change": _circumstances(envelope, deployment_mode, autonomy_tier, claims_verified=claims_verified)},
    )


def approve_question(
    person: Approver,
    envelope: MissionEnvelope,
    proposal: WritebackProposal,
    *,
    deployment_mode: str,
    people: int = 1,
    agreed: Sequence[frozenset[ActorId]] = (),
    escalated: bool = False,
    fact_keys: Collection[str] = (),
) -> PolicyQuestion:
    """May this person approve this proposal? ``agreed`` are those who approved exactly this already, or made it so."""
    return PolicyQuestion(
        layer=Layer.RELEASE,
        action="approve",
        principal=entities.approver(person),
        resource=_proposal(envelope, proposal, fact_keys),
        context={"answer": _answering(person, envelope, deployment_mode, people, agreed, escalated=escalated)},
    )


def accept_question(
    person: Approver, envelope: MissionEnvelope, *, deployment_mode: str, escalated: bool = False
) -> PolicyQuestion:
    """May this person accept the result of a mission that somebody must look at, though nothing would be written?"""
    return PolicyQuestion(
        layer=Layer.RELEASE,
        action="accept",
        principal=entities.approver(person),
        resource=entities.mission(envelope),
        context={"answer": _answering(person, envelope, deployment_mode, 1, (), escalated=escalated)},
    )


def _answering(
    person: Approver,
    envelope: MissionEnvelope,
    deployment_mode: str,
    people: int,
    agreed: Sequence[frozenset[ActorId]],
    *,
    escalated: bool,
) -> dict[str, Any]:
    return {
        "deployment_mode": deployment_mode,
        "is_requester": envelope.actor_id in person.people,
        "has_answered": any(person.people & others for others in agreed),
        "people": people,
        "given": len(agreed),
        "escalated": escalated,
    }


def citations_verified(proposal: WritebackProposal, claims: Iterable[Claim]) -> bool:
    """Tell whether each of the proposal's citations is one of a verified claim."""
    proven = {citation for claim in claims if claim.status == "verified" for citation in claim.citations}
    return all(citation in proven for citation in proposal.citations)


def _circumstances(
    envelope: MissionEnvelope, deployment_mode: str, autonomy_tier: AutonomyTier, *, claims_verified: bool
) -> dict[str, Any]:
    return {
        "deployment_mode": deployment_mode,
        "autonomy_tier": min(autonomy_tier, envelope.autonomy_tier, key=_TIERS.index).value,
        "claims_verified": claims_verified,
        "requester": plain(envelope.actor_id),
    }


def _proposal(envelope: MissionEnvelope, proposal: WritebackProposal, fact_keys: Collection[str]) -> dict[str, Any]:
    target, operation = proposal.target, proposal.operation
    fields, containers = _fields(proposal.after)
    says = payload_sha256(target, operation, proposal.precondition, proposal.before, proposal.after)
    return entities.entity(
        "Proposal",
        proposal.payload_sha256,
        tenant=plain(envelope.tenant_id),
        system=plain(target.system),
        entity=plain(target.entity),
        operation=operation,
        risk_level=proposal.risk_level.value,
        fields=names(fields),
        fields_not_asked=names(fields - _asked(envelope.inputs, fact_keys)),
        containers=names(containers),
        tainted_fields=names(name for taint in proposal.taint for name in _tainted(taint.field, proposal.after)),
        largest_amount=_largest(proposal.after),
        own_target=_is_own_target(envelope.inputs, proposal),
        write_allowed=WRITE_TOOLS.get((target.entity, operation)) in ALLOWANCES[envelope.mission_type].writes,
        hash_holds=says == proposal.payload_sha256,
        has_precondition=bool(proposal.precondition),
        cited=bool(proposal.citations),
    )


def _is_own_target(inputs: Mapping[str, Any], proposal: WritebackProposal) -> bool:
    target = proposal.target
    own = inputs.get(TARGET_INPUTS.get(target.entity, ""))
    return target.system in ROOT_SYSTEMS and isinstance(own, str) and own != "" and own == target.id


def _bounds(proposal: WritebackProposal) -> bytes:
    """Return everything of a proposal that an edit must leave as it is."""
    return canonical_bytes(proposal.model_dump(mode="json", exclude={"after", "payload_sha256"}))


def _tainted(field: str, after: Mapping[str, Any]) -> set[str]:
    """Return a tainted field's name and, since they are made of the same text, those of all that lies within it."""
    return {_normal(re.split(r"[.\[]", field)[-1])} | (names_in({field: after[field]}) if field in after else set())


def names_in(after: Mapping[str, Any]) -> set[str]:
    """Return every name in what would be written, in one spelling and without its path."""
    fields, containers = _fields(after)
    return fields | containers


def _fields(after: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the names of the values that would be set, however deep, and the names that hold others."""
    fields: set[str] = set()
    containers: set[str] = set()
    waiting: list[tuple[str, Any]] = list(after.items())
    while waiting:
        name, value = waiting.pop()
        inner = list(_records(value))
        if not inner:
            fields |= _parts(name)
            continue
        containers |= _parts(name)
        waiting.extend(item for record in inner for item in record.items())
    return fields, containers


def _largest(after: Mapping[str, Any]) -> int:
    """Return the largest number that would be written, rounded up; 0 if there is none."""
    largest = 0
    waiting: list[Any] = list(after.values())
    while waiting:
        match waiting.pop():
            case Mapping() as record:
                waiting.extend(record.values())
            case list() | tuple() as items:
                waiting.extend(items)
            case str() as text if len(text) <= _SHORT and len(found := amounts(text)) == 1:
                largest = max(largest, math.ceil(found[0]))
            case int() | float() as number if not isinstance(number, bool) and math.isfinite(number):
                largest = max(largest, math.ceil(abs(number)))
            case _:
                pass
    return min(largest, _MOST)


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case Mapping() as record if record:
                yield record
            case list() | tuple() as items:
                waiting.extend(items)
            case _:
                pass


def _asked(inputs: Mapping[str, Any], fact_keys: Collection[str]) -> set[str]:
    """Return the fields that hold what the mission was asked to find out, its lower and its upper bound."""
    schema = inputs.get("fact_schema")
    facts = schema if isinstance(schema, list) else []
    keys = [*fact_keys, *(fact.get("key") for fact in facts if isinstance(fact, Mapping))]
    asked = {part for key in keys if isinstance(key, str) and key.isascii() for part in _parts(key)}
    return {part + bound for part in asked for bound in ("", "_min", "_max")}


def _parts(name: str) -> set[str]:
    """Return a name's parts, so that ``contact.email`` can't slip past a rule about ``email``."""
    return {_normal(part) for part in name.split(".")}


def _normal(name: str) -> str:
    """Return a name in one spelling: ``ownerId``, ``Owner-ID`` and ``owner id`` are all ``owner_id``."""
    spelled = _WORD_START.sub("_", unicodedata.normalize("NFKC", plain(name)))
    return _NOT_WORD.sub("_", spelled).strip("_").casefold()

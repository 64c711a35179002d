"""The Cedar entities that questions are about, as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from contracts.base import ActorId, TenantId
from contracts.canonical import clean_text
from contracts.mission import MissionEnvelope


@dataclass(frozen=True)
class Approver:
    """A person who answers at the release gate, with what the identity provider says they may do.

    Attributes:
        on_behalf_of: who delegated the right to answer, if somebody did.
    """

    actor_id: ActorId
    tenant_id: TenantId
    capabilities: frozenset[str]
    roles: frozenset[str] = frozenset()
    on_behalf_of: ActorId | None = None

    @property
    def people(self) -> frozenset[ActorId]:
        """Return everybody whose answer this person's is: a delegate's is the delegator's, too."""
        return frozenset({self.actor_id, *([self.on_behalf_of] if self.on_behalf_of else [])})


def entity(kind: str, name: str, **attrs: Any) -> dict[str, Any]:
    """Return ``{type, id, attrs}``."""
    return {"type": kind, "id": plain(name), "attrs": attrs}


def actor(envelope: MissionEnvelope) -> dict[str, Any]:
    """Return the person the mission runs for."""
    return entity("Actor", envelope.actor_id, tenant=plain(envelope.tenant_id))


def approver(person: Approver) -> dict[str, Any]:
    """Return the person who answers."""
    return entity(
        "Approver",
        person.actor_id,
        tenant=plain(person.tenant_id),
        capabilities=names(person.capabilities),
        roles=names(person.roles),
        delegated=person.on_behalf_of is not None,
    )


def mission(envelope: MissionEnvelope) -> dict[str, Any]:
    """Return the mission, named after its class: equal missions must ask equal questions."""
    return entity(
        "Mission",
        envelope.mission_type.value,
        tenant=plain(envelope.tenant_id),
        mission_type=envelope.mission_type.value,
        risk_level=envelope.risk_level.value,
        sensitivity_class=envelope.sensitivity_class.value,
        autonomy_tier=envelope.autonomy_tier.value,
        review_level=envelope.review_level.value,
    )


def names(values: Iterable[str]) -> list[str]:
    """Return a Cedar set of strings: sorted and without repetition, so that equal sets have equal hashes."""
    return sorted({plain(v) for v in values})


def plain(text: str) -> str:
    """Return the text, or, if it holds what the store can't carry, a spelling of it that is nobody's name.

    Dropping the character instead would make ``root.get_lead<NUL>`` the name of a tool that is allowed.
    """
    return text if clean_text(text)[0] == text else f"unclean {text!a}"

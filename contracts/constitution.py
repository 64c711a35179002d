"""The constitution: what no rule, mission or person may go beyond, as a signed document that is in force for all.

What is signed is ``SIGNED_AS`` followed by the document's canonical bytes, by Ed25519 (RFC 8032).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.base import Contract, Value
from contracts.mission import AutonomyTier, ModelTier

SIGNED_AS = b"colony.constitution.v1\n"
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Principle = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]+$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,79}$")]
Effect = Literal["patch", "note", "task", "message"]


class HardLimits(Value):
    """What code enforces, whatever the rules say.

    Attributes:
        autonomy_tiers: how far a mission may go by itself.
        effects: the operations on a root system that there may be at all.
        external_research: whether anything may be asked outside the product.
        personal_data_tiers: the model tiers that personal data may reach.
        high_risk_people: how many different people must agree to a change of high risk, at least.
        forbidden_fields: what no change may set, wherever it lies inside it.
        rules_sha256: the rule sets that may decide; any, if none is named.
    """

    autonomy_tiers: tuple[AutonomyTier, ...] = Field(min_length=1, max_length=3)
    effects: tuple[Effect, ...] = Field(max_length=4)
    external_research: bool
    personal_data_tiers: tuple[ModelTier, ...] = Field(max_length=3)
    high_risk_people: int = Field(ge=1, le=10)
    forbidden_fields: tuple[FieldName, ...] = Field(default=(), max_length=200)
    rules_sha256: tuple[Sha256, ...] = Field(default=(), max_length=200)


class Constitution(Contract):
    """One version of it.

    Attributes:
        version: rises with every version that is activated.
        previous_sha256: the version that this one takes the place of; none for the first.
        principles: what it means, for people.
        people: how many different people must agree to activate it, and the one after it.
    """

    version: int = Field(ge=1, le=1_000_000)
    previous_sha256: Sha256 | None = None
    principles: tuple[Principle, ...] = Field(min_length=1, max_length=100)
    people: int = Field(ge=2, le=20)
    limits: HardLimits


class SignedConstitution(Value):
    """A constitution with its signature (64 bytes, base64) and the first 16 hex digits of its key's SHA-256."""

    constitution: Constitution
    key_id: KeyId
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


@dataclass(frozen=True)
class StoredConstitution:
    """What the store has as the constitution in force; nothing of it is believed before it is verified.

    Attributes:
        sha256: as the last activation names it.
        content: the canonical bytes; none if the document is gone.
        agreed: how many different people agreed to it.
        highest: the highest version that was ever activated.
    """

    sha256: str
    version: int | None
    content: bytes | None
    signature: bytes | None
    key_id: str | None
    agreed: int
    highest: int | None

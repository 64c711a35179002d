"""The two bases every contract stands on, and the names of things."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Literal, NewType, Self

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from contracts.canonical import canonical_bytes, sha256_hex

MissionId = NewType("MissionId", str)
TenantId = NewType("TenantId", str)
ActorId = NewType("ActorId", str)
TaskKey = NewType("TaskKey", str)
ArtifactId = NewType("ArtifactId", str)
DecisionId = NewType("DecisionId", str)
InterruptId = NewType("InterruptId", str)
ProposalId = NewType("ProposalId", str)


class Value(BaseModel):
    """A frozen, closed part of a contract: unknown fields are refused, and nothing changes after it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contract(Value):
    """A frozen, closed value that is stored or crosses a process; readers are chosen by its version."""

    schema_version: Literal["v1"] = "v1"
    added: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after others were stored: left out while they are empty, so that those keep their hashes."""

    @model_serializer(mode="wrap")
    def _as_stored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        return {name: value for name, value in plain.items() if value or name not in self.added}

    def canonical(self) -> bytes:
        """Return the canonical JSON bytes that are stored and hashed."""
        return canonical_bytes(self.model_dump(mode="json"))

    def sha256(self) -> str:
        """Return the hash of the content: equal work has equal hashes, whatever mission or hour it was done in."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return sha256_hex(self.canonical())

    def __copy__(self) -> Self:
        """Copy without the hash, since a copy is what changes are made on."""
        copied = super().__copy__()
        copied.__dict__.pop("_hash", None)
        return copied


class Ref(Value):
    """A pointer to one stored artifact: state carries these, never the artifact."""

    id: str
    sha256: str


class SetRef(Value):
    """A pointer to all artifacts of one kind and plan revision: constant in size however many there are.

    ``sha256`` is the digest of the sorted ``[id, sha256]`` pairs.
    """

    kind: str
    revision: int
    count: int
    sha256: str

"""The shapes of what the API says about the constitution."""

from __future__ import annotations

from typing import Literal

from contracts.constitution import Constitution
from server.shape import Shape


class ConstitutionState(Shape):
    """What is in force; without one that verifies no mission runs, and ``code``, ``reason`` and ``hint`` say why."""

    status: Literal["in_force", "unverified"]
    version: int | None
    sha256: str | None
    constitution: Constitution | None
    code: str | None
    reason: str | None
    hint: str | None


class ConstitutionEntry(Shape):
    """What somebody did about a document; ``actor_id`` is null for people of another tenant."""

    event: Literal["proposed", "approved", "rejected", "activated"]
    actor_id: str | None
    reason: str
    at: str


class ConstitutionVersion(Shape):
    """A signed document: ``agreed`` different people of the ``people`` that it needs; without one if it was changed."""

    sha256: str
    version: int
    previous_sha256: str | None
    key_id: str
    status: Literal["proposed", "rejected", "in_force", "superseded"]
    agreed: int
    people: int | None
    proposed_at: str
    activated_at: str | None
    log: list[ConstitutionEntry]
    constitution: Constitution | None


class ConstitutionVersions(Shape):
    """Every document that was proposed, oldest first."""

    items: list[ConstitutionVersion]

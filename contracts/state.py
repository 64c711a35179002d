"""The graph's state: plain JSON and references, never artifacts, so that checkpoints stay small."""

from __future__ import annotations

from typing import Any, TypedDict

SCHEMA_VERSION = "v1"


class OutcomeState(TypedDict):
    """Why a mission ends otherwise than completed."""

    status: str
    code: str
    reason: str
    stage: str
    hint: str


class ReleaseState(TypedDict, total=False):
    """What the release gate found, how the person answered, and how the granted writes ended."""

    required: bool
    verdict: str
    granted: int
    effects: dict[str, int]


class MissionState(TypedDict, total=False):
    """One small channel per role.

    ``envelope``, ``plan``, ``packet`` and ``review`` hold a ``Ref`` as a dict; ``packages``, ``passes``, ``evidence``
    and ``results`` a ``SetRef`` as a dict, constant in size however much was gathered. ``looks`` are the
    reasons for which a person must look before the release, whatever is written. ``constitution`` is ``{version,
    sha256}`` of the one that was in force last.
    """

    schema_version: str
    graph_version: str
    mission_id: str
    tenant_id: str
    revision: int
    constitution: dict[str, Any]
    envelope: dict[str, Any]
    plan: dict[str, Any]
    packages: dict[str, Any]
    passes: dict[str, Any]
    evidence: dict[str, Any]
    results: dict[str, Any]
    packet: dict[str, Any]
    review: dict[str, Any]
    verdict: str
    looks: list[str]
    release: ReleaseState
    outcome: OutcomeState

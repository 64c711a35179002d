"""The evidence of a mission: what was gathered before the tasks began, and what they fetched themselves."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.ports import Ports
from contracts.state import MissionState


async def gathered(
    state: MissionState, ports: Ports, results: Iterable[WorkerResult] = ()
) -> tuple[ResearchArtifact, ...]:
    """Return the mission's evidence, and after it what these results fetched, each artifact once.

    Raises:
        IntegrityBroken: a stored artifact is gone, or is not what it was.
    """
    found = {a.artifact_id: a for a in await ports.artifacts.all(ResearchArtifact, state["evidence"])}
    for ref in {ref.id: ref for result in results for ref in result.fetched}.values():
        if ref.id not in found:
            fetched = await ports.artifacts.one(ResearchArtifact, ref.model_dump())
            found[fetched.artifact_id] = fetched
    return tuple(found.values())

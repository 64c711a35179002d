"""Finalize: close the mission and leave hints for the next one about where it was worth looking."""

from __future__ import annotations

from contracts.events import EventType, NewEvent
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Ports, StepResult
from contracts.released import released
from contracts.state import MissionState
from contracts.tasks import LibrarianPass, PheromoneSignal
from nodes.gathered import gathered

HALF_LIFE_MS = 7 * 24 * 3_600_000


async def finalize(state: MissionState, ports: Ports) -> StepResult:
    """End the mission as completed, or as rejected when a person rejected it."""
    packet = await ports.artifacts.one(AggregationPacket, state["packet"])
    review = await ports.artifacts.one(ReviewPacket, state["review"])
    shown = released(packet, review)
    evidence = await gathered(state, ports, (await ports.results.done(state["revision"])).values())
    passes = await ports.artifacts.all(LibrarianPass, state["passes"])
    rejected = state["release"]["verdict"] == "rejected"
    cited = {row.artifact_id for row in shown.evidence_matrix}
    useful = {a.need for a in evidence if a.artifact_id in cited}
    asked = {card.source for one in passes for card in one.route_cards}
    effects = state["release"].get("effects", {})
    payload = {"claims": len(shown.claims), "facts": len(shown.facts), "effects": effects, "packet": state["packet"]}
    kind = EventType.MISSION_REJECTED if rejected else EventType.MISSION_COMPLETED
    return StepResult(
        events=(NewEvent(event_type=kind, payload=payload),),
        signals=tuple(
            PheromoneSignal(
                mission_type=ports.mission.request.mission_type.value,
                source=source,
                kind="useful" if source in useful else "empty",
                strength=1.0,
                half_life_ms=HALF_LIFE_MS,
            )
            for source in sorted(asked)
        ),
    )

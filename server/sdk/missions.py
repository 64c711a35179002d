"""What the SDK's clients are shown of a mission: its state, its history, and the question it waits with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.postgres.reader import MissionReader
from adapters.postgres.threads import ThreadStore
from contracts.clock import rfc3339
from contracts.decisions import ApprovalRequest
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.released import released
from contracts.stateflow import Status
from graph import snapshots
from graph.snapshots import Shown

RESULT = "result"
"""Under which a state's values carry what the review released, beside the channels' references to it."""
_ABOUT = ("interrupt_id", "mission_id", "mission_type", "risk_level")


@dataclass(frozen=True)
class MissionViews:
    """Reads missions for the SDK's routes, always as one tenant."""

    reader: MissionReader
    threads: ThreadStore

    async def questions(self, tenant_id: str, mission_id: str, *, pending: bool = False) -> dict[str, Shown]:
        """Return what people were asked, by interrupt id; only what is still open, if asked so."""
        rows = await self.reader.approvals(tenant_id, mission_id, "pending" if pending else None)
        return {row["interrupt_id"]: question(row) for row in rows}

    async def state(self, tenant_id: str, mission_id: str, checkpoint_id: str | None = None) -> Shown | None:
        """Return the state at a checkpoint, or the present one, with what is asked in it; None when there is none."""
        async with self.threads.checkpoints(tenant_id) as saver:
            found = await snapshots.state(snapshots.mission_graph(), saver, mission_id, checkpoint_id)
        if found is None:
            return None
        asked = await self.questions(tenant_id, mission_id)
        if checkpoint_id is None:
            await self._wait_shown(tenant_id, mission_id, found)
        await self._with_result(tenant_id, mission_id, explained(found, asked))
        return found

    async def result(self, tenant_id: str, mission_id: str) -> Shown | None:
        """Return what the review released, as it was released: it never changes. None before that."""
        newest = await self.reader.newest(tenant_id, mission_id, "aggregation_packet", "review_packet")
        if len(newest) < len(("aggregation_packet", "review_packet")):
            return None
        review = ReviewPacket.model_validate_json(bytes(newest["review_packet"]["content"]))
        if review.verdict != "release":
            return None
        merged = AggregationPacket.model_validate_json(bytes(newest["aggregation_packet"]["content"]))
        shown: Shown = released(merged, review).model_dump(mode="json")
        return shown

    async def _with_result(self, tenant_id: str, mission_id: str, *states: Shown) -> None:
        late = [one for one in states if one["values"].get("verdict") == "release"]
        if late and (result := await self.result(tenant_id, mission_id)) is not None:
            for one in late:
                one["values"][RESULT] = result

    async def _wait_shown(self, tenant_id: str, mission_id: str, found: Shown) -> None:
        """Show the open question even in the moment before its checkpoint is written."""
        pending = await self.questions(tenant_id, mission_id, pending=True)
        if (await self.reader.mission(tenant_id, mission_id))["status"] != Status.AWAITING_APPROVAL:
            return
        for task in found["tasks"]:
            if task["name"] == "release_gate" and not task["interrupts"]:
                task["interrupts"] = [{"id": one, "value": value} for one, value in pending.items()]
                found["interrupts"] = task["interrupts"]

    async def history(self, tenant_id: str, mission_id: str, **asked: Any) -> list[Shown]:
        """Return a mission's checkpoints, newest first, with what was asked at each."""
        async with self.threads.checkpoints(tenant_id) as saver:
            found = await snapshots.history(snapshots.mission_graph(), saver, mission_id, **asked)
        questions = await self.questions(tenant_id, mission_id)
        shown = [explained(one, questions) for one in found]
        if shown:
            await self._with_result(tenant_id, mission_id, *shown)
        return shown


def question(row: Mapping[str, Any]) -> Shown:
    """Return what a person is asked: the proposals with their hashes, on which grounds, how many must agree."""
    request = ApprovalRequest.model_validate_json(bytes(row["content"]))
    return {
        **{name: row[name] for name in _ABOUT},
        "proposals": [proposal.model_dump(mode="json") for proposal in request.proposals],
        "reasons": list(request.reasons),
        "required": request.required,
        "expires_at": rfc3339(row["expires_at"]),
    }


def explained(state: Shown, questions: Mapping[str, Shown]) -> Shown:
    """Put what was asked in the place of its name wherever a state shows an interrupt."""
    for holder in (state, *state["tasks"]):
        holder["interrupts"] = [
            {**one, "value": questions.get(one["id"], one["value"])} for one in holder["interrupts"]
        ]
    return state

"""`colony gates`: what policy said about a mission, gate by gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from server.cli.options import LATEST, ReadId
from server.cli.output import Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(gates)


def gates(mission_id: ReadId = LATEST, as_json: Json = False) -> None:
    """List a mission's gate decisions, of the newest mission by default."""

    async def work(api: Api) -> tuple[str, list[dict[str, Any]]]:
        found = await api.resolved(mission_id)
        return found, await api.events(found)

    found, events = against(work)
    items = [_decision(event) for event in events if event["event_type"].startswith("gate.")]
    if as_json:
        emit({"mission_id": found, "items": items})
        return
    screen = Screen()
    screen.line(f"mission {found}")
    if not items:
        screen.line("No gate has been asked yet.")
        return
    rows = (
        [i["layer"], i["subject"], i["outcome"], ", ".join(i["rules"]), "; ".join(i["reasons"]), i["decision_id"]]
        for i in items
    )
    screen.table(("layer", "subject", "outcome", "rules", "reasons", "decision"), rows)


def _decision(event: dict[str, Any]) -> dict[str, Any]:
    payload = event["payload"]
    return {
        "layer": event["event_type"].removeprefix("gate."),
        "subject": payload.get("subject", ""),
        "outcome": payload["outcome"],
        "rules": payload.get("rules", []),
        "reasons": payload.get("reasons", []),
        "decision_id": payload["decision_id"],
        "seq": event["seq"],
        "timestamp": event["timestamp"],
    }

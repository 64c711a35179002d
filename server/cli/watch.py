"""Following a mission to its end or its approval: live on a terminal, a line per stage and task elsewhere."""

from __future__ import annotations

from typing import Any

from server.cli import packet
from server.cli.api import Api
from server.cli.follow import until_rest
from server.cli.output import Exit, Screen, emit_line, exit_for
from server.cli.progress import Progress


async def watch(api: Api, mission_id: str, *, as_json: bool) -> Exit:
    """Show a mission until it has ended or waits for a person; returns the exit code that its status means."""
    if as_json:
        mission = await until_rest(api, mission_id, emit_line)
        emit_line(mission)
        return exit_for(mission["status"])
    screen = Screen()
    mission = await progressed(api, mission_id, screen)
    await result(api, mission, screen)
    return exit_for(mission["status"])


async def progressed(api: Api, mission_id: str, screen: Screen) -> dict[str, Any]:
    """Show how a mission gets on, until it rests; returns it."""
    progress = Progress()
    if screen.terminal:
        from rich.live import Live

        with Live(get_renderable=progress.rendered, console=screen.console, refresh_per_second=8):
            return await until_rest(api, mission_id, lambda event: _ignore(progress.take(event)))

    def print_line(event: dict[str, Any]) -> None:
        if (line := progress.take(event)) is not None:
            screen.line(line)

    return await until_rest(api, mission_id, print_line)


def _ignore(_line: str | None) -> None:
    """Drop the plain line: the live view shows the same."""


async def result(api: Api, mission: dict[str, Any], screen: Screen) -> None:
    """Show what a mission brought, and what it waits for or what was written."""
    sources = packet.sources_of(await api.artifacts(mission["mission_id"], "research_artifact"))
    packet.packet(screen, mission, sources)
    packet.failure(screen, mission)
    pending = mission["pending_approval"]
    if pending is not None:
        packet.approval(screen, pending)
        screen.line()
        screen.line(f"Answer with `colony missions approve {mission['mission_id']}`, or `… reject`.")
    elif mission["packet"] and mission["packet"]["writebacks"]:
        screen.heading("Changes")
        packet.proposals(screen, mission["packet"]["writebacks"])
    screen.line()
    screen.line(f"{mission['mission_id']} is {mission['status']}", "bold")

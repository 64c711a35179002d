"""The commands about events on their way out: how far behind they are, what was given up, and sending that again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from server.cli.output import Json, Screen, emit

if TYPE_CHECKING:
    from adapters.postgres.backlog import Backlogs

T = TypeVar("T")
Channel = Annotated[str, typer.Argument(help="kafka or webhook.", show_default=False)]
OneMission = Annotated[str | None, typer.Argument(metavar="[MISSION_ID]", help="The mission; all if none is named.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Events on their way to Kafka and to webhooks.")
    for command in (status, dead, retry, close):
        group.command()(command)
    app.add_typer(group, name="relay")


def _asked(work: Callable[[Backlogs], Awaitable[T]]) -> T:
    from adapters.postgres.backlog import Backlogs
    from adapters.postgres.pools import open_pool
    from adapters.postgres.provision import dsns_for
    from server.database import administrator
    from server.settings import load_settings

    async def whole(dsn: str) -> T:
        pool = await open_pool(dsn, name="command", most=1)
        try:
            return await work(Backlogs(pool))
        finally:
            await pool.close()

    with ExitStack() as stack:
        return asyncio.run(whole(dsns_for(administrator(load_settings(), stack)).app))


def status(as_json: Json = False) -> None:
    """Show how far behind each channel is."""
    found = _asked(lambda backlogs: backlogs.read())
    if as_json:
        emit({"items": [asdict(backlog) for backlog in found]})
        return
    columns = ("channel", "events behind", "missions", "oldest", "refused", "given up")
    rows = [(b.channel, b.events, b.missions, f"{b.oldest_ms / 1000:.1f} s", b.retrying, b.dead) for b in found]
    screen = Screen()
    if rows:
        screen.table(columns, rows)
    else:
        screen.line("No channel was ever used: set KAFKA_BOOTSTRAP_SERVERS or COLONY_WEBHOOK_URL.")


def dead(as_json: Json = False) -> None:
    """List the events that were given up, newest first."""
    found = _asked(lambda backlogs: backlogs.dead_letters())
    if as_json:
        emit({"items": [{**row, "created_at": row["created_at"].isoformat()} for row in found]})
        return
    names = ("channel", "mission_id", "seq", "event_type", "event_id", "attempts", "reason")
    screen = Screen()
    if found:
        screen.table(names, [[row[name] for name in names] for row in found])
    else:
        screen.line("No event was given up.")


def retry(channel: Channel, mission_id: OneMission = None, as_json: Json = False) -> None:
    """Send what was given up again, with what followed it: a receiver sees that twice, under the same event ids."""
    missions = _asked(lambda backlogs: backlogs.revive(channel, mission_id))
    if as_json:
        emit({"missions": missions})
        return
    Screen().line(f"{len(missions)} missions are sent again from their first event that was given up.")


def close(channel: Channel, as_json: Json = False) -> None:
    """Forget a channel that is no longer used, with its place and what it gave up."""
    closed = _asked(lambda backlogs: backlogs.close(channel))
    if as_json:
        emit({"closed": closed})
        return
    Screen().line(f"{channel} is closed." if closed else f"{channel} was not open.")

"""The commands with which an operator intervenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from server.cli.answers import followed
from server.cli.options import MissionId, Reason, Watch
from server.cli.output import Exit, Json
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(cancel)
    app.command()(retry)
    app.command()(fail)


def cancel(mission_id: MissionId, reason: Reason = None, as_json: Json = False) -> None:
    """Stop a mission that has not ended."""
    _command(mission_id, "cancel", reason, "stopped", as_json=as_json)


def retry(mission_id: MissionId, reason: Reason = None, watch: Watch = False, as_json: Json = False) -> None:
    """Let a failed or expired mission go on from where it was."""
    _command(mission_id, "retry", reason, "goes on", follow=watch, as_json=as_json)


def fail(mission_id: MissionId, reason: Reason = None, as_json: Json = False) -> None:
    """Give a mission up."""
    _command(mission_id, "fail", reason, "given up", as_json=as_json)


def _command(
    mission_id: str, command: str, reason: str | None, said: str, *, as_json: bool, follow: bool = False
) -> None:
    async def work(api: Api) -> Exit:
        from server.cli.api import at

        answer = await api.post(at(mission_id, command), {"reason": reason} if reason else {})
        return await followed(api, answer, said, follow=follow, as_json=as_json)

    raise typer.Exit(against(work))

"""The commands about a mission's past: checkpoints, replay, fork and diff."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.options import MissionId, pairs
from server.cli.output import Exit, Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

From = Annotated[str, typer.Option("--from", metavar="CHECKPOINT_ID", help="The earlier one.", show_default=False)]
To = Annotated[str, typer.Option("--to", metavar="CHECKPOINT_ID", help="The later one.", show_default=False)]


_OVERRIDE = "Change this: rules, templates, route or artifacts; repeatable."
_AT_WORK = frozenset({"received", "running"})
_LOOK_S = 0.1
_COUNTED = ("artifact", "model", "tool", "signals", "clock", "root")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(checkpoints)
    app.command()(replay)
    app.command()(fork)
    app.command()(diff)


def checkpoints(mission_id: MissionId, as_json: Json = False) -> None:
    """List a mission's checkpoints."""
    found = against(lambda api: _get(api, mission_id, "checkpoints"))
    if as_json:
        emit(found)
        return
    rows = (
        [c["checkpoint_id"], c["step"], c["stage"], ", ".join(c["next"]), c["created_at"], ", ".join(c["changed"])]
        for c in found["items"]
    )
    Screen().table(("checkpoint", "step", "stage", "next", "created (UTC)", "changed"), rows)


def diff(mission_id: MissionId, earlier: From, later: To, as_json: Json = False) -> None:
    """Show what two checkpoints differ in, channel by channel."""
    found = against(lambda api: _get(api, mission_id, "diff", **{"from": earlier, "to": later}))
    emit(found, indent=None if as_json else 2)


def replay(
    mission_id: MissionId,
    checkpoint: Annotated[
        str | None, typer.Option("--from", "--checkpoint", help="Begin here; at the start by default.")
    ] = None,
    mode: Annotated[str, typer.Option(help="recorded or live.")] = "recorded",
    on_missing: Annotated[str, typer.Option(help="What the tape has no answer to: report or live.")] = "report",
    override: Annotated[list[str] | None, typer.Option(metavar="K=V", help=_OVERRIDE)] = None,
    as_json: Json = False,
) -> None:
    """Run a mission again, as a new one with its effects off, and say whether it came to the same."""
    body: dict[str, Any] = {"mode": mode, "on_missing": on_missing}
    if checkpoint:
        body["checkpoint_id"] = checkpoint
    if override:
        body["overrides"] = pairs(override, "--override")
    found = against(lambda api: _replayed(api, mission_id, body))
    if as_json:
        emit(found)
    else:
        _show(found)
    if not found["identical"]:
        raise typer.Exit(Exit.FAILED)


async def _replayed(api: Api, mission_id: str, body: dict[str, Any]) -> dict[str, Any]:
    from server.cli.api import at

    made = str((await api.post(at(mission_id, "replay"), body))["mission_id"])
    await ended(api, made)
    return await api.get(at(made, "report"))


async def ended(api: Api, mission_id: str) -> None:
    """Wait until a mission is at rest."""
    status = "received"
    while status in _AT_WORK:
        await asyncio.sleep(_LOOK_S)
        status = (await api.mission(mission_id))["status"]


def _show(report: dict[str, Any]) -> None:
    screen = Screen()
    word = "identical" if report["identical"] else "NOT identical"
    screen.line(f"{report['mission_id']} ({report['mode']}) is {word} to {report['of']}")
    rows = ([stage, *(counts.get(name, 0) for name in _COUNTED)] for stage, counts in report["by_stage"].items())
    screen.table(("stage", *_COUNTED), rows)
    first = report["first_divergence"]
    if first is not None:
        task = f", task {first['task_key']}" if first["task_key"] else ""
        screen.line(f"first divergence: {first['call']} at {first['stage']}{task}")
        for line in first.get("diff") or ():
            screen.line(f"  {line}")


def fork(
    mission_id: MissionId,
    checkpoint: Annotated[str, typer.Option(help="Where the new one begins.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; it is kept on record.", show_default=False)],
    update: Annotated[list[str] | None, typer.Option(metavar="K=V", help="Change this; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Let a new mission go on from a checkpoint; its effects need an approval of their own."""
    body: dict[str, Any] = {"checkpoint_id": checkpoint, "reason": reason}
    if update:
        body["updates"] = pairs(update, "--update")
    _new(mission_id, "fork", body, as_json=as_json)


async def _get(api: Api, mission_id: str, part: str, **params: Any) -> dict[str, Any]:
    from server.cli.api import at

    return await api.get(at(mission_id, part), **params)


def _new(mission_id: str, command: str, body: dict[str, Any], *, as_json: bool) -> None:
    async def work(api: Api) -> dict[str, Any]:
        from server.cli.api import at

        return dict(await api.post(at(mission_id, command), body))

    answer = against(work)
    if as_json:
        emit(answer)
        return
    Screen().line(f"{answer['mission_id']} accepted; follow it with `colony missions watch {answer['mission_id']}`.")

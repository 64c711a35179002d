"""The commands that submit missions and look at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.mission import MissionClass
from contracts.stateflow import Status
from server.cli.options import LATEST, MissionId, ReadId, Watch, pairs
from server.cli.output import Exit, Json, Screen, emit, emit_line, one_line
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

_PAIR = "--input"
Inputs = Annotated[
    list[str] | None,
    typer.Option(_PAIR, "-i", metavar="K=V", help="One input; K=@FILE reads a file, [ and { begin JSON."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(submit)
    app.command(name="list")(list_)
    app.command()(show)
    app.command()(watch)
    app.command()(bundle)


def submit(
    mission_type: Annotated[MissionClass, typer.Argument(metavar="TYPE", help="The mission's class.")],
    goal: Annotated[str, typer.Option(help="What is wanted, in a sentence.", show_default=False)],
    input: Inputs = None,
    output: Annotated[list[str] | None, typer.Option(help="Ask for this output only; repeatable.")] = None,
    surface: Annotated[str, typer.Option(help="The surface it comes from.")] = "cli",
    token_budget: Annotated[int | None, typer.Option(min=1, help="Tokens in and out.")] = None,
    time_budget_ms: Annotated[int | None, typer.Option(min=1, help="Working time.")] = None,
    metadata: Annotated[list[str] | None, typer.Option(metavar="K=V", help="Kept with the mission.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key never submits twice.")] = None,
    watch: Watch = False,
    as_json: Json = False,
) -> None:
    """Submit a mission."""
    body: dict[str, Any] = {
        "mission_type": mission_type.value,
        "user_goal": goal,
        "origin_surface": surface,
        "inputs": pairs(input or (), _PAIR),
        "requested_outputs": output or [],
        "token_budget": token_budget,
        "time_budget_ms": time_budget_ms,
        "metadata": pairs(metadata or (), "--metadata"),
    }
    headers = {} if key is None else {"Idempotency-Key": key}

    async def work(api: Api) -> Exit:
        accepted = await api.post("/missions", {k: v for k, v in body.items() if v is not None}, headers)
        return await _submitted(api, accepted, follow=watch, as_json=as_json)

    raise typer.Exit(against(work))


async def _submitted(api: Api, accepted: dict[str, Any], *, follow: bool, as_json: bool) -> Exit:
    from server.cli.watch import watch as follow_to_the_end

    mission_id = accepted["mission_id"]
    if follow:
        if not as_json:
            Screen().line(f"{mission_id} accepted", "bold")
        return await follow_to_the_end(api, mission_id, as_json=as_json)
    if as_json:
        emit(accepted)
        return Exit.DONE
    screen = Screen()
    screen.line(f"{mission_id} accepted", "bold")
    screen.line(f"Follow it with `colony missions watch {mission_id}`.")
    return Exit.DONE


def list_(
    status: Annotated[Status | None, typer.Option(help="Only those that stand here.")] = None,
    type: Annotated[MissionClass | None, typer.Option(help="Only this class.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    as_json: Json = False,
) -> None:
    """List missions, newest first."""

    async def work(api: Api) -> dict[str, Any]:
        return await api.get("/missions", status=status, type=type, limit=limit, cursor=cursor)

    page = against(work)
    if as_json:
        emit(page)
        return
    screen = Screen()
    if not page["items"]:
        screen.line("There is no such mission." if status or type else "There is no mission yet.")
        return
    rows = (
        [m["mission_id"], m["mission_type"], m["status"], m["stage"], m["created_at"][:19], _goal(m)]
        for m in page["items"]
    )
    screen.table(("mission", "class", "status", "stage", "created (UTC)", "goal"), rows)
    if page["next_cursor"]:
        screen.line(f"More with --cursor {page['next_cursor']}")


def _goal(mission: dict[str, Any]) -> str:
    return one_line(mission["envelope"].get("user_goal", ""), 60)


def show(mission_id: ReadId = LATEST, as_json: Json = False) -> None:
    """Show a mission: its packet, and what it waits for."""

    async def work(api: Api) -> None:
        from server.cli import packet
        from server.cli.watch import result

        mission = await api.mission(await api.resolved(mission_id))
        if as_json:
            emit(mission)
            return
        screen = Screen()
        packet.header(screen, mission)
        await result(api, mission, screen)

    against(work)


def watch(mission_id: ReadId = LATEST, as_json: Json = False) -> None:
    """Follow a mission until it ends or waits for a person.

    The exit code is 0 completed, 3 blocked by policy, 4 waiting for approval, otherwise 1. With --json every event is a
    line, and the last line is the mission.
    """

    async def work(api: Api) -> Exit:
        from server.cli.watch import watch as follow_to_the_end

        return await follow_to_the_end(api, await api.resolved(mission_id), as_json=as_json)

    raise typer.Exit(against(work))


def bundle(
    mission_id: MissionId,
    out: Annotated[Path | None, typer.Option(help="Where to write it; MISSION_ID.zip by default.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a mission's audit bundle, to be verified offline."""

    async def work(api: Api) -> tuple[str, bytes]:
        from server.cli.api import at

        found = await api.resolved(mission_id)
        return found, await api.content(at(found, "bundle"))

    found, content = against(work)
    target = out or Path(f"{found}.zip")
    write_file(target, content)
    if as_json:
        emit_line({"mission_id": found, "path": str(target), "size": len(content)})
        return
    Screen().line(f"{target}: {len(content)} bytes. Check it with `colony verify {target}`.")


def write_file(path: Path, content: bytes) -> None:
    """Write a file that the user named."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as exc:
        raise typer.BadParameter(f"{path} can't be written: {exc.strerror}", param_hint="--out") from exc

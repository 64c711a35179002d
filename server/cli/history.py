"""The commands about a mission's past: checkpoints, diff, tree and fork."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.options import MissionId, pairs
from server.cli.output import Json, Screen, emit, one_line
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

From = Annotated[str, typer.Option("--from", metavar="CHECKPOINT_ID", help="The earlier one.", show_default=False)]
To = Annotated[str, typer.Option("--to", metavar="CHECKPOINT_ID", help="The later one.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(checkpoints)
    app.command()(fork)
    app.command()(diff)
    app.command()(tree)


def checkpoints(mission_id: MissionId, as_json: Json = False) -> None:
    """List a mission's checkpoints, newest first, with what each changed."""
    found = against(lambda api: _every(api, mission_id))
    if as_json:
        emit({"items": found, "next_cursor": None})
        return
    rows = (
        [c["checkpoint_id"], c["step"], c["stage"], ", ".join(c["next"]), c["created_at"], ", ".join(c["changed"])]
        for c in found
    )
    Screen().table(("checkpoint", "step", "stage", "next", "created (UTC)", "changed"), rows)


async def _every(api: Api, mission_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await _get(api, mission_id, "checkpoints", cursor=cursor, limit=200)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def diff(
    mission_id: MissionId,
    earlier: From,
    later: To,
    other: Annotated[str | None, typer.Option(metavar="MISSION_ID", help="The mission of --to, if another.")] = None,
    as_json: Json = False,
) -> None:
    """Show what two checkpoints differ in, channel by channel and artifact by artifact; also across missions."""
    found = against(lambda api: _get(api, mission_id, "diff", **{"from": earlier, "to": later, "other": other}))
    if as_json:
        emit(found)
        return
    screen = Screen()
    channels = ([name, _short(c["from"]), _short(c["to"])] for name, c in found["channels"].items())
    screen.table(("channel", "from", "to"), channels)
    for one in found["artifacts"]:
        sign = "changed" if one["from"] and one["to"] else "new" if one["to"] else "gone"
        screen.line(" ".join(part for part in (sign, one["kind"], one["task_key"], one["source"]) if part))
        screen.table(
            ("where", "from", "to"),
            ([c["path"], _short(c["from"]), _short(c["to"])] for c in one["changes"]),
            indent=2,
        )


def _short(value: Any) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 80)


def tree(mission_id: MissionId, as_json: Json = False) -> None:
    """Show a mission with its forks and replays, from the first one on."""
    found = against(lambda api: _get(api, mission_id, "tree"))
    if as_json:
        emit(found)
        return
    Screen().table(("mission", "kind", "from", "status", "created (UTC)"), _nodes(found, 0))


def _nodes(node: dict[str, Any], depth: int) -> Iterator[list[object]]:
    name = "  " * depth + node["mission_id"]
    yield [name, node["kind"] or "submission", node["checkpoint_id"] or "", node["status"], node["created_at"]]
    for child in node["children"]:
        yield from _nodes(child, depth + 1)


def fork(
    mission_id: MissionId,
    checkpoint: Annotated[
        str, typer.Option("--from", "--checkpoint", help="Where the new one begins.", show_default=False)
    ],
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

"""Replaying missions: one, or all since a moment, against the code as it is."""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.options import pairs
from server.cli.output import Exit, Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

_OVERRIDE = (
    "Have this otherwise: rules=DIR, template.ID.instructions=TEXT, template.ID.system=TEXT, route=TIER or "
    "artifacts=@FILE; repeatable."
)
_AT_WORK = frozenset({"received", "running"})
_RESTS = _AT_WORK | {"awaiting_approval"}
_LOOK_S = 0.1
_COUNTED = ("artifact", "model", "tool", "signals", "clock", "root")
_AT_ONCE = 4
_RUN = re.compile(r"[A-Za-z0-9._-]{1,80}")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    mission_id: Annotated[str | None, typer.Argument(metavar="[MISSION_ID]", show_default=False)] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--from", "--checkpoint", help="Begin here; at the start by default.")
    ] = None,
    mode: Annotated[str, typer.Option(help="recorded or live.")] = "recorded",
    on_missing: Annotated[str, typer.Option(help="What the tape has no answer to: report or live.")] = "report",
    override: Annotated[list[str] | None, typer.Option(metavar="K=V", help=_OVERRIDE)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every mission that has ended, as a regression test.")] = False,
    since: Annotated[str, typer.Option(help="With --all: a day, a moment, or an age (2d, 12h).")] = "1d",
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --all: the same name goes on with a run that was stopped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a mission again, as a new one with its effects off, and say whether it came to the same.

    Exits with 1 if it did not.
    """
    body: dict[str, Any] = {"mode": mode, "on_missing": on_missing, "overrides": _overrides(override or [])}
    if every == (mission_id is not None):
        raise typer.BadParameter("name a mission, or say --all")
    if every:
        name = run or secrets.token_hex(4)
        if not _RUN.fullmatch(name):
            raise typer.BadParameter("a name has letters, digits, '.', '_' and '-'", param_hint="--run")
        found = against(lambda api: _all(api, _moment(since), body, name))
        same = all(one["identical"] for one in found)
        _table(found) if not as_json else emit({"items": found, "identical": same})
    else:
        if checkpoint:
            body["checkpoint_id"] = checkpoint
        one = against(lambda api: _replayed(api, mission_id or "", body))
        same = bool(one["identical"])
        _show(one) if not as_json else emit(one)
    if not same:
        raise typer.Exit(Exit.FAILED)


def _overrides(given: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs(given, "--override").items():
        first, _, rest = name.partition(".")
        if first == "template" and rest.count(".") == 1:
            template, part = rest.split(".")
            made.setdefault("templates", {}).setdefault(template, {})[part] = value
        elif name == "rules" and isinstance(value, str):
            made["rules"] = _rules(Path(value))
        else:
            made[name] = value
    return made


def _rules(folder: Path) -> dict[str, str]:
    """Read a directory of rules as it is sent: a tenant's files, or with a schema a whole set."""
    files = [p for p in sorted(folder.glob("*")) if p.suffix in {".cedar", ".cedarschema"}]
    if not files:
        raise typer.BadParameter(f"{folder} holds no rules", param_hint="--override")
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def _moment(text: str) -> datetime:
    if text[:-1].isdigit() and text[-1:] in _UNITS:
        return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise typer.BadParameter(f"{text!r} is no moment; 2026-11-20, or an age like 2d", param_hint="--since") from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _replayed(api: Api, mission_id: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    from server.cli.api import at

    keyed = {"Idempotency-Key": key} if key else None
    made = str((await api.post(at(mission_id, "replay"), body, keyed))["mission_id"])
    status = "received"
    while status in _AT_WORK:
        await asyncio.sleep(_LOOK_S)
        status = (await api.mission(made))["status"]
    return await api.get(at(made, "report"))


async def _all(api: Api, since: datetime, body: dict[str, Any], run: str) -> list[dict[str, Any]]:
    """Replay every mission that ended, a few at a time, and say so; one that has no tape is told of.

    Each replay is asked for under a key of the run's name: what a run of this name has made is not made again.
    """
    from contracts.errors import ColonyError

    room, screen, done = asyncio.Semaphore(_AT_ONCE), Screen(err=True), 0
    missions = await _missions(api, since)
    screen.line(f"{len(missions)} missions to replay; if this is stopped, --run {run} goes on with it")

    async def one(mission: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        told: dict[str, Any] = {"of": mission["mission_id"], "mission_type": mission["mission_type"]}
        async with room:
            try:
                told |= await _replayed(api, mission["mission_id"], body, f"replay:{run}:{mission['mission_id']}")
            except ColonyError as exc:
                told |= {"identical": exc.code == "not_recorded", "skipped": exc.code}
        done += 1
        screen.line(f"{done} of {len(missions)}: {told['of']} {_word(told)}")
        return told

    return list(await asyncio.gather(*map(one, missions)))


async def _missions(api: Api, since: datetime) -> list[dict[str, Any]]:
    """Return what has ended since; it may have begun long before."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await api.get("/missions", limit=200, cursor=cursor)
        ended = [m for m in page["items"] if m["status"] not in _RESTS and m["lineage"]["kind"] != "replay"]
        found += [m for m in ended if datetime.fromisoformat(m["updated_at"]) >= since]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _table(found: list[dict[str, Any]]) -> None:
    rows = ([one["of"], one["mission_type"], _word(one), one.get("artifacts", ""), _first(one)] for one in found)
    screen = Screen()
    screen.table(("mission", "type", "replay", "artifacts", "first divergence"), rows)
    replayed = [one for one in found if "skipped" not in one]
    screen.line(f"{sum(one['identical'] for one in replayed)} of {len(replayed)} identical")


def _word(one: dict[str, Any]) -> str:
    return one["skipped"] if "skipped" in one else "identical" if one["identical"] else "DIFFERENT"


def _first(one: dict[str, Any]) -> str:
    first = one.get("first_divergence") or {}
    failed = (one.get("failure") or {}).get("code", "")
    return " ".join(str(first[key]) for key in ("stage", "task_key", "call") if first.get(key)) or failed


def _show(report: dict[str, Any]) -> None:
    screen = Screen()
    word = "identical" if report["identical"] else "NOT identical"
    far = f", as far as that one came ({report['status']['original']})" if report["stopped"] else ""
    screen.line(f"{report['mission_id']} ({report['mode']}) is {word} to {report['of']}{far}")
    rows = ([stage, *(counts.get(name, 0) for name in _COUNTED)] for stage, counts in report["by_stage"].items())
    screen.table(("stage", *_COUNTED), rows)
    for title, key in (("first divergence", "first_divergence"), ("first call that differs", "first_call")):
        if (first := report[key]) is not None:
            task = f", task {first['task_key']}" if first["task_key"] else ""
            screen.line(f"{title}: {first['call']} at {first['stage']}{task}")
            for line in first.get("diff") or ():
                screen.line(f"  {line}")
    _changes(screen, report["changes"] or {})


def _changes(screen: Screen, changes: dict[str, Any]) -> None:
    for name, key in (("plan", "task_key"), ("claims", "claim"), ("proposals", "proposal")):
        for one in changes.get(name, ()):
            screen.line(f"{name}: {one['change']} {one[key]}")
    for one in changes.get("decisions", ()):
        why = "; ".join(one["reasons"])
        screen.line(
            f"decision: {one['change']} {one['action']} {one['resource']}: {one['from']} to {one['to']} ({why})"
        )
    for one in changes.get("why", ()):
        screen.line(f"why: {one['task_key']}: {', '.join(one['because'])}")

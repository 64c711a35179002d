"""`colony approvals`: what waits for people, and who may answer in whose place."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from contracts.errors import BadInput
from server.cli.options import Reason
from server.cli.output import Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
To = Annotated[str | None, typer.Option("--to", help="The person who may answer.", show_default=False)]
Role = Annotated[str | None, typer.Option("--to-role", help="Whoever's token has this role.", show_default=False)]
For = Annotated[str, typer.Option("--for", help="How long: a number and m, h or d; at most 30d.")]
Ended = Annotated[bool, typer.Option("--all", help="Those that have ended, too.")]
DelegationId = Annotated[
    str, typer.Argument(metavar="DELEGATION_ID", help="As `colony approvals delegations` shows it.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="What waits for people, and who may answer in whose place.")
    group.command("list")(show)
    group.command()(delegate)
    group.command()(delegations)
    group.command("take-back")(take_back)
    app.add_typer(group, name="approvals")


def show(as_json: Json = False) -> None:
    """List what waits for people, oldest first; `colony missions show` shows one whole, `approve` answers it."""

    async def work(api: Api) -> None:
        found = await api.get("/approvals")
        if as_json:
            emit(found)
            return
        screen = Screen()
        if not found["items"]:
            screen.line("Nothing waits for a person.")
            return
        columns = ("mission", "asked by", "risk", "changes", "people", "waits", "expires", "why")
        screen.table(columns, [_line(item) for item in found["items"]])

    against(work)


def delegate(
    to: To = None, to_role: Role = None, duration: For = "1d", reason: Reason = None, as_json: Json = False
) -> None:
    """Let somebody answer in your place for a time. What was lent can't be lent on."""
    if (to is None) == (to_role is None):
        raise BadInput("name one: --to PERSON or --to-role ROLE")
    lent: dict[str, Any] = {"duration_ms": duration_ms(duration), "reason": reason or ""}
    lent |= {"to_actor": to} if to is not None else {"to_role": to_role}

    async def work(api: Api) -> None:
        made = await api.post("/delegations", lent)
        if as_json:
            emit(made)
            return
        Screen().line(f"{made['delegation_id']}: {_whom(made)} may answer in your place until {made['expires_at']}.")

    against(work)


def delegations(every: Ended = False, as_json: Json = False) -> None:
    """List who may answer in whose place."""

    async def work(api: Api) -> None:
        items = (await api.get("/delegations"))["items"]
        now = datetime.now(UTC)
        held = [d for d in items if every or not (d["revoked_at"] or datetime.fromisoformat(d["expires_at"]) <= now)]
        if as_json:
            emit({"items": held})
            return
        screen = Screen()
        if not held:
            screen.line("Nobody answers in anybody's place.")
            return
        rows = [[d["delegation_id"], d["actor_id"], _whom(d), _until(d), d["reason"]] for d in held]
        screen.table(("delegation", "in place of", "who may answer", "until", "reason"), rows)

    against(work)


def take_back(delegation_id: DelegationId, as_json: Json = False) -> None:
    """End a delegation now: your own, or with `policy:manage` anybody's."""

    async def work(api: Api) -> None:
        ended = await api.delete(f"/delegations/{quote(delegation_id, safe='')}")
        if as_json:
            emit(ended)
            return
        Screen().line(f"{ended['delegation_id']} has ended.")

    against(work)


def duration_ms(text: str) -> int:
    """Return milliseconds of what people write, such as ``90m``, ``12h`` or ``7d``.

    Raises:
        BadInput: it is no such text.
    """
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text, re.ASCII)
    if found is None:
        raise BadInput("--for is a number and m, h or d, such as 12h")
    return int(found[1]) * _UNITS_MS[found[2]]


def _line(item: dict[str, Any]) -> list[str]:
    hours, minutes = divmod(item["age_ms"] // 60_000, 60)
    return [
        item["mission_id"],
        item["requested_by"],
        item["risk_level"] or "",
        str(len(item["proposals"])),
        f"{item['given']} of {item['required']}",
        f"{hours} h {minutes} min" + (", escalated" if item["escalated_at"] else ""),
        item["expires_at"],
        "; ".join(item["reasons"]),
    ]


def _whom(delegation: dict[str, Any]) -> str:
    return str(delegation["to_actor"] or f"role {delegation['to_role']}")


def _until(delegation: dict[str, Any]) -> str:
    return f"taken back {delegation['revoked_at']}" if delegation["revoked_at"] else str(delegation["expires_at"])

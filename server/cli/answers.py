"""The commands with which a person answers at the release gate."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import BadInput, Conflict
from server.cli.options import MissionId, Reason, Watch, value_of
from server.cli.output import Exit, Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

_EDIT = "--edit"
Some = Annotated[list[str] | None, typer.Option("--proposal", metavar="ID", help="Approve only this one; repeatable.")]
Edits = Annotated[
    list[str] | None,
    typer.Option(_EDIT, metavar="ID=JSON", help="Write this instead of what was proposed; repeatable."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(approve)
    app.command()(reject)


def approve(
    mission_id: MissionId,
    proposal: Some = None,
    edit: Edits = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, even on a terminal.")] = False,
    watch: Watch = False,
    as_json: Json = False,
) -> None:
    """Approve what is pending, after showing it; with --proposal the others are turned down."""
    edits = dict(_edit(text) for text in edit or ())

    async def work(api: Api) -> Exit:
        pending = await _pending(api, mission_id)
        settled = {s["proposal_id"] for s in pending["standings"] if s["standing"] != "open"}
        decisions = decided(pending["proposals"], proposal or (), edits, settled)
        if not as_json:
            _show(pending, decisions)
            if not yes and sys.stdin.isatty():
                typer.confirm("Approve?", abort=True, err=True)
        return await _answered(api, mission_id, answer_of(pending, decisions, reason), follow=watch, as_json=as_json)

    raise typer.Exit(against(work))


def reject(mission_id: MissionId, reason: Reason = None, watch: Watch = False, as_json: Json = False) -> None:
    """Turn down everything that is pending; the mission ends as rejected."""

    async def work(api: Api) -> Exit:
        from server.cli.api import at

        answer = await api.post(at(mission_id, "reject"), {"reason": reason} if reason else {})
        return await followed(api, answer, "rejected", follow=watch, as_json=as_json)

    raise typer.Exit(against(work))


def _edit(text: str) -> tuple[str, dict[str, Any]]:
    name, _, value = text.partition("=")
    after = value_of(value, _EDIT)
    if not name or not isinstance(after, dict):
        raise typer.BadParameter("it must be PROPOSAL_ID={…}, a JSON object", param_hint=_EDIT)
    return name, after


async def _pending(api: Api, mission_id: str) -> dict[str, Any]:
    mission = await api.mission(mission_id)
    pending: dict[str, Any] | None = mission["pending_approval"]
    if pending is None:
        # An empty answer would approve whatever is pending when it arrives, seen by nobody.
        raise Conflict(
            f"the mission does not wait for an approval, it is {mission['status']}",
            code="not_pending",
            hint=f"`colony missions show {mission_id}` shows where it stands.",
        )
    return pending


def decided(
    proposals: Sequence[Mapping[str, Any]],
    only: Sequence[str],
    edits: Mapping[str, Mapping[str, Any]],
    settled: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return the answer to every proposal that is not settled, bound to the payload that was shown.

    Raises:
        BadInput: a proposal was named that is not pending.
    """
    pending = [p["proposal_id"] for p in proposals]
    if unknown := sorted({*only, *edits} - set(pending)):
        raise BadInput(
            f"{unknown[0]} is not pending", code="unknown_proposal", hint=f"Pending: {', '.join(pending) or 'nothing'}."
        )
    decisions = []
    for proposal in proposals:
        name = proposal["proposal_id"]
        if name in settled and name not in {*only, *edits}:
            continue
        answer: dict[str, Any] = {"proposal_id": name, "payload_sha256": proposal["payload_sha256"]}
        if name in edits:
            answer |= {"verdict": "edit", "after": dict(edits[name])}
        else:
            answer["verdict"] = "approve" if not only or name in only else "reject"
        decisions.append(answer)
    return decisions


def answer_of(pending: Mapping[str, Any], decisions: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    """Return the body of an approval."""
    body = {"interrupt_id": pending["interrupt_id"], "decisions": decisions}
    return body if reason is None else body | {"reason": reason}


def _show(pending: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> None:
    from server.cli import packet

    screen = Screen()
    packet.approval(screen, pending)
    screen.line()
    for decision in decisions:
        edited = f" {packet.as_text(decision['after'])}" if "after" in decision else ""
        screen.line(f"{decision['verdict']} {decision['proposal_id']}{edited}")


async def _answered(api: Api, mission_id: str, body: dict[str, Any], *, follow: bool, as_json: bool) -> Exit:
    from server.cli.api import at

    answer = await api.post(at(mission_id, "approve"), body)
    verdicts = {d["verdict"] for d in body["decisions"]}
    said = "rejected" if verdicts == {"reject"} else "approved"
    return await followed(api, answer, said, follow=follow, as_json=as_json)


async def followed(api: Api, answer: dict[str, Any], said: str, *, follow: bool, as_json: bool) -> Exit:
    """Say that a command was taken, or follow what comes of it."""
    from server.cli.watch import watch

    mission_id = answer["mission_id"]
    if follow:
        return await watch(api, mission_id, as_json=as_json)
    if as_json:
        emit(answer)
    elif answer["status"] == "awaiting_approval":
        Screen().line(f"{mission_id}: your answer is kept; somebody else must agree to exactly the same.")
    else:
        Screen().line(f"{mission_id} {said}; it is {answer['status']}.")
    return Exit.WAITING if answer["status"] == "awaiting_approval" else Exit.DONE

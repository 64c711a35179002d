"""The commands about a tenant's own rules: store versions of them, look at them, put one in force."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import BadInput
from server.cli.output import Exit, Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from server.cli.api import Api

Why = Annotated[str | None, typer.Option("--reason", help="Why; it is kept on record.")]
Note = Annotated[str, typer.Option(help="What people are told of this version.")]
Version = Annotated[
    int, typer.Argument(metavar="VERSION", min=0, help="As `list` shows it; 0: the shipped rules alone.")
]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A directory of LAYER.NAME.cedar files.")]


def files_in(directory: Path) -> dict[str, str]:
    """Read a directory's rules, its schema and its tests."""
    from policies.rulefiles import SCHEMA_FILE
    from policies.tenants import TESTS_FILE

    try:
        found = [p for p in sorted(directory.iterdir()) if p.suffix == ".cedar" or p.name in {SCHEMA_FILE, TESTS_FILE}]
        files = {path.name: path.read_text(encoding="utf-8") for path in found}
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"{directory} can't be read as a directory of text files") from exc
    if not files:
        raise BadInput(f"there are no .cedar files in {directory}")
    return files


def versions(as_json: Json = False) -> None:
    """List the versions of the tenant's own rules, and who put which in force when."""

    async def work(api: Api) -> dict[str, Any]:
        return await api.get("/policies")

    state = against(work)
    if as_json:
        emit(state)
        return
    screen = Screen()
    if not state["usable"]:
        screen.line("The active version does not fit the rules that ship by now: everything is denied.", "bold red")
    rows = [
        (v["version"], "active" if v["active"] else "", v["made_by"], v["created_at"], v["note"])
        for v in state["items"]
    ]
    screen.table(("version", "", "stored by", "at", "note"), [*rows, _shipped(state)])
    if state["activations"]:
        screen.heading("In force")
        screen.table(
            ("at", "version", "by", "reason"),
            [(a["activated_at"], a["version"], a["activated_by"], a["reason"]) for a in state["activations"]],
        )


def _shipped(state: dict[str, Any]) -> tuple[object, ...]:
    return (0, "" if state["active_version"] else "active", "", "", "the shipped rules alone")


def show(version: Version, as_json: Json = False) -> None:
    """Show a version's files."""

    async def work(api: Api) -> dict[str, Any]:
        return await api.get(f"/policies/{version}")

    found = against(work)
    if as_json:
        emit(found)
        return
    screen = Screen()
    for name, text in found["files"].items():
        screen.heading(name)
        screen.line(text)
    if not found["files"]:
        screen.table(("rule", "effect", "reason"), [(r["rule_id"], r["effect"], r["reason"]) for r in found["rules"]])
    _tell_problems(found)


def put(directory: Directory, note: Note = "", as_json: Json = False) -> None:
    """Store your rules as a new version. Nothing is in force by that; exits 1 if it could not be put in force."""
    body = {"files": files_in(directory), "note": note}

    async def work(api: Api) -> dict[str, Any]:
        return dict(await api.post("/policies", body))

    made = against(work)
    if as_json:
        emit(made)
    else:
        Screen().line(f"version {made['version']}, {len(made['rules'])} rules of your own")
        _tell_problems(made)
    if made["problems"]:
        raise typer.Exit(Exit.FAILED)


def activate(version: Version, reason: Why = None, as_json: Json = False) -> None:
    """Put a version in force, at once and everywhere; 0 takes your own rules out of force."""

    async def work(api: Api) -> dict[str, Any]:
        return dict(await api.post(f"/policies/{version}/activate", {"reason": reason} if reason else {}))

    made = against(work)
    if as_json:
        emit(made)
        return
    Screen().line(
        f"version {made['version']} is in force since {made['activated_at']}, rules {made['rules_sha256'][:12]}"
    )


def diff(was: Version, now: Version, as_json: Json = False) -> None:
    """Show what one version changes of another, file by file; exits 1 if there is a difference."""

    async def work(api: Api) -> list[dict[str, str]]:
        return [(await api.get(f"/policies/{version}"))["files"] for version in (was, now)]

    before, after = against(work)
    lines = [line for name in sorted({*before, *after}) for line in _changed(name, before, after)]
    if as_json:
        emit({"was": was, "now": now, "diff": lines})
    else:
        for line in lines:
            Screen().line(line, {"+": "green", "-": "red"}.get(line[:1], ""))
    if lines:
        raise typer.Exit(Exit.FAILED)


def _changed(name: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    texts = (before.get(name, "").splitlines(), after.get(name, "").splitlines())
    return list(difflib.unified_diff(*texts, f"was/{name}", f"now/{name}", lineterm=""))


def _tell_problems(version: dict[str, Any]) -> None:
    for problem in version["problems"]:
        Screen(err=True).line(f"policy_invalid: {problem}")

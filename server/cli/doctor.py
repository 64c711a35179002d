"""`colony doctor`: whether this machine and this configuration can run Colony, and what to do where they can't."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from server.cli.output import Exit, Json, Screen, configure_logging, emit

if TYPE_CHECKING:
    from server.cli.checks import Finding

_MARKS = {"ok": "ok", "warn": "warn", "fail": "FAIL"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: Json = False) -> None:
    """Check python, settings, home, rules, prompts, database, service, root, port, models, work, tenants' rules."""
    configure_logging("warning")
    found = asyncio.run(_look())
    well = all(finding.state != "fail" for finding in found)
    if as_json:
        emit({"ok": well, "checks": [asdict(finding) for finding in found]})
    else:
        screen = Screen()
        screen.table(("check", "", "what", "what to do"), ([f.check, _MARKS[f.state], f.what, f.do] for f in found))
    raise typer.Exit(Exit.DONE if well else Exit.FAILED)


async def _look() -> list[Finding]:
    from server.cli import checks, checks_work

    read, settings = checks.settings()
    found = [checks.python(), read]
    if settings is not None:
        found += [finding async for finding in checks.findings(settings)]
        found += [await checks_work.models(settings), checks_work.work(settings), checks_work.own_rules(settings)]
    return found

"""The commands about policy rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import SettingInvalid
from server.cli.output import Exit, Json, Screen, emit, report_error

Rules = Annotated[Path | None, typer.Option(help="A directory of rules; those that ship with Colony by default.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The rules that decide what may be done.")
    group.command()(check)
    # A group of one command would lose its command's name.
    group.callback()(lambda: None)
    app.add_typer(group, name="policies")


def check(rules: Rules = None, as_json: Json = False) -> None:
    """Validate the rules of every layer and list them."""
    from policies.engine import PolicyEngine

    try:
        engine = PolicyEngine.load(rules)
    except SettingInvalid as exc:
        if as_json:
            emit({"ok": False, "code": exc.code, "detail": exc.message, "hint": exc.hint})
        report_error(exc)
        raise typer.Exit(Exit.FAILED) from exc
    if as_json:
        listed = [
            {
                "rule_id": r.rule_id,
                "layer": r.layer.value,
                "effect": r.effect,
                "file": r.file,
                "reason": r.reason,
                "escalate": r.escalate,
            }
            for r in engine.rules
        ]
        emit({"ok": True, "rules_sha256": engine.rules_sha256, "rules": listed})
        return
    screen = Screen()
    rows = (
        [r.layer.value, r.rule_id, "escalate" if r.escalate else r.effect, r.escalate or r.reason, r.file]
        for r in engine.rules
    )
    screen.table(("layer", "rule", "effect", "reason", "file"), rows)
    screen.line(f"{len(engine.rules)} rules are valid, sha256 {engine.rules_sha256}")

"""`colony verify`: check an audit bundle offline, without a server, a database or a setting."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import Exit, Json, Screen

Bundle = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle, a .zip file.")]
Key = Annotated[
    str | None,
    typer.Option(help="The operator's public key: constitutions must be signed by it; several with commas between."),
]

Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public key that roots must be signed with, as `colony audit key` shows; repeatable."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(bundle: Bundle, keys: Keys = None, constitution_key: Key = None, as_json: Json = False) -> None:
    """Check a mission's audit bundle; nothing but the file is needed."""
    import sys

    from contracts.errors import BadInput
    from server.verify import keys_of, render, to_json, verify_bundle

    try:
        trusted = keys_of(constitution_key or "")
    except ValueError as exc:
        raise BadInput("--constitution-key is not an Ed25519 public key", hint="It is 32 bytes as base64.") from exc
    if wrong := [one for one in keys or () if not re.fullmatch("[0-9a-f]{64}", one)]:
        raise BadInput(f"{wrong[0]!r} is not a public key", code="key_invalid", hint="It is 64 hex digits.")
    report = verify_bundle(bundle, trusted, keys or ())
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
    else:
        Screen().line(render(report))
    raise typer.Exit(Exit.DONE if report.ok else Exit.FAILED)

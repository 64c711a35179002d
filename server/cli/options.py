"""Options and arguments that several commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

MissionId = Annotated[str, typer.Argument(metavar="MISSION_ID", help="The mission.", show_default=False)]
ReadId = Annotated[
    str, typer.Argument(metavar="[MISSION_ID]", help="The mission; the newest if none is named.", show_default=False)
]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept on record.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the mission until it ends or waits for a person.")]
LATEST = "latest"


def pairs(given: Sequence[str], option: str) -> dict[str, Any]:
    """Return `k=v` options as a mapping.

    ``k=@file`` reads a file, ``k=@@x`` is the text ``@x``. A value that begins with ``[`` or ``{`` and parses as JSON
    is JSON, any other is text.
    """
    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not of the form NAME=VALUE", param_hint=option)
        found[name] = value_of(value, option)
    return found


def value_of(text: str, option: str) -> Any:
    """Return what one value means."""
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        text = _read(Path(text[1:]), option)
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise typer.BadParameter(f"{path} can't be read as a text file", param_hint=option) from exc

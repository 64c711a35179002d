"""`colony audit claims` and `colony audit trace`: from a claim to everything it stands on, out of a verified bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import IntegrityBroken, NotFound
from server.cli.output import Json, Screen, emit, one_line

if TYPE_CHECKING:
    from server.verify.contents import Contents

Bundle = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle, a .zip file.")]
Claim = Annotated[str, typer.Argument(metavar="CLAIM_ID", help="As `colony audit claims` shows it.")]
_MOST = 160


def _verified(bundle: Path) -> Contents:
    """Read a bundle that holds.

    Raises:
        IntegrityBroken: it does not.
    """
    from server.verify import archive, verify_bytes
    from server.verify.plain import Broken
    from server.verify.trace import opened

    try:
        data = archive.load(bundle)
        failure = verify_bytes(data).first_failure
        if failure is not None:
            raise IntegrityBroken(f"the bundle does not verify: {failure.detail}", hint="`colony verify` says more.")
        return opened(data)
    except Broken as exc:
        raise IntegrityBroken(str(exc), hint="`colony verify` says more.") from exc


def claims(bundle: Bundle, as_json: Json = False) -> None:
    """List the released claims of a bundle, with their quotes and sources."""
    from server.verify.trace import claims as released

    found = released(_verified(bundle))
    if as_json:
        emit({"items": found})
        return
    rows = ([c["claim_id"], one_line(c["text"], _MOST), one_line(c["quote"], _MOST), c["source"]] for c in found)
    Screen().table(("claim", "text", "quote", "source"), rows)


def trace(bundle: Bundle, claim: Claim, as_json: Json = False) -> None:
    """Follow a claim: quote, source, task, review, rules, approver, write; each with its time and its name."""
    from server.verify.plain import Broken
    from server.verify.trace import trace as followed

    contents = _verified(bundle)
    try:
        steps = followed(contents, claim)
    except Broken as exc:
        raise NotFound(str(exc), code="claim_not_found", hint="`colony audit claims` lists them.") from exc
    if as_json:
        emit({"items": [asdict(step) for step in steps]})
        return
    Screen().table(("", "what", "when (UTC)", "name"), ([s.what, one_line(s.said, _MOST), s.at, s.ref] for s in steps))

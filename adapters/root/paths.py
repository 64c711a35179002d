"""Paths of the root's objects; an id can name its object and nothing else."""

from __future__ import annotations

import re
from urllib.parse import quote

from adapters.root.records import addressable
from contracts.errors import BadInput

_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+")
_ESCAPED = ("%2e", "%2f", "%5c", "%00")


def segment(value: str) -> str:
    """Return an id as one percent-encoded segment of a path.

    Raises:
        BadInput: no object can have that id (code ``invalid_id``): a slash would begin another segment on the far side,
            a dot segment would leave the folder.
    """
    try:
        encoded = quote(addressable(value), safe="")
    except ValueError as exc:
        raise BadInput("the id can't be part of a path", code="invalid_id") from exc
    if not encoded:
        raise BadInput("the id is empty", code="invalid_id")
    return encoded


def lead_path(lead_id: str, *rest: str) -> str:
    """Return the path of a lead, or of something below it."""
    return "/".join(["/api/crm/leads", segment(lead_id), *rest])


def page_path(page_id: str) -> str:
    """Return the path of a page."""
    return f"/api/oracle/pages/{segment(page_id)}"


def checked_path(path: str) -> str:
    """Return a path that is already encoded and stays where it says.

    Raises:
        BadInput: it has a query, a dot segment, an escaped slash or dot, or is not a path at all (``invalid_path``).
    """
    steps = path.split("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(steps) or any(e in path.lower() for e in _ESCAPED):
        raise BadInput("not a path that a write may go to", code="invalid_path")
    return path

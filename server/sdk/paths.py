"""Names in paths: what is a call of its own (``/threads/search``) is nobody's id."""

from __future__ import annotations

from starlette.convertors import CONVERTOR_TYPES, StringConvertor, register_url_convertor

NAME = "name"


class NameConvertor(StringConvertor):
    """Any segment of a path but the calls'."""

    regex = "(?!(?:search|count|checkpoint|stream|wait|batch|cancel|crons|prune)(?:/|$))[^/]+"


def install() -> None:
    """Make ``{id:name}`` known to the framework."""
    if NAME not in CONVERTOR_TYPES:
        register_url_convertor(NAME, NameConvertor())

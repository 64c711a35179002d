"""Strict checkpoints: what is loaded from a checkpoint is data, never code."""

from __future__ import annotations

from langgraph.checkpoint.serde import _msgpack

from contracts.errors import SettingInvalid


def assert_strict() -> None:
    """Stop a start in which a tampered checkpoint could run code.

    Raises:
        SettingInvalid: LangGraph was imported before strict mode was set.
    """
    if not _msgpack.STRICT_MSGPACK_ENABLED:
        raise SettingInvalid(
            "LANGGRAPH_STRICT_MSGPACK is off", hint="Import Colony's packages before langgraph, or set it to true."
        )

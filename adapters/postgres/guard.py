"""Where driver errors die: what Postgres says becomes an error of Colony's own tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout

from contracts.errors import Conflict, Denied, FenceLost, StoreRefused, StoreUnavailable

STALE_EPOCH = "CO001"
ILLEGAL_MOVE = "CO003"
REHEARSED = "CO004"
_GONE = ("08", "57P", "53300")
"""Beginnings of SQLSTATEs that say that the connection or the server is gone, or can't be had."""

_STOPPED = (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.errors.TransactionTimeout)

_BROKEN: dict[str, Callable[[], Exception]] = {
    "writeback_needs_grant": lambda: Denied("no approval covers exactly this payload", code="grant_missing"),
    "colony_missions_pkey": lambda: Conflict("there is a mission with this id", code="mission_exists"),
}
"""What it means that a constraint does not hold."""


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate driver errors raised inside.

    Raises:
        FenceLost: the mission's epoch has moved on.
        Conflict: the status may not move that way, or the mission's id is taken.
        Denied: a writeback without its grant, or any effect of a replay.
        StoreUnavailable: Postgres does not answer.
        StoreRefused: it answers, and could not do it.
    """
    try:
        yield
    except psycopg.errors.IntegrityError as exc:
        if (meant := _BROKEN.get(exc.diag.constraint_name or "")) is None:
            raise
        raise meant() from exc
    except (psycopg.OperationalError, *_STOPPED, PoolTimeout) as exc:
        state = getattr(exc, "sqlstate", None)
        if isinstance(exc, psycopg.OperationalError) and state is not None and not state.startswith(_GONE):
            raise StoreRefused("Postgres could not do it") from exc
        raise StoreUnavailable("Postgres does not answer") from exc
    except psycopg.DatabaseError as exc:
        if exc.sqlstate == STALE_EPOCH:
            raise FenceLost("another process has taken this mission over") from exc
        if exc.sqlstate == REHEARSED:
            raise Denied("a replay has no effects", code="replay_without_effects") from exc
        if exc.sqlstate == ILLEGAL_MOVE:
            raise Conflict("the mission is not in a state that allows this", code="illegal_move") from exc
        raise

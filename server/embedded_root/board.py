"""The board: which stages there are, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SHIPPED_ORDER = ("new", "contacted", "qualified", "viewing", "offer", "won", "lost")
CLOSED = frozenset({"won", "lost"})


def kanban(counts: Sequence[tuple[str | None, int]], board: Sequence[str] | None) -> dict[str, Any]:
    """Return ``{stages: [{stage, leads}], order, unstaged}``."""
    leads = {stage: n for stage, n in counts if stage}
    order = stage_order(list(leads), board)
    return {
        "stages": [{"stage": stage, "leads": leads.get(stage, 0)} for stage in order],
        "order": order,
        "unstaged": sum(n for stage, n in counts if not stage),
    }


def stage_order(used: Sequence[str], board: Sequence[str] | None = None) -> list[str]:
    """Return the stages in order, spelt as they were imported.

    An imported board rules. Else the shipped order does, for stages it knows by name, as long as the leads use one of
    its open stages or none at all; a board of quite other stages is not mixed with it. Stages that no order knows come
    as they were first seen, before the closed ones.
    """
    spelling = {stage.casefold(): stage for stage in reversed(used)}
    shipped_open = {stage for stage in SHIPPED_ORDER if stage not in CLOSED}
    if board is not None:
        base = list(board)
    elif not used or shipped_open & spelling.keys():
        base = [spelling.get(stage, stage) for stage in SHIPPED_ORDER]
    else:
        base = [spelling[stage] for stage in SHIPPED_ORDER if stage in spelling]
    extra = [stage for stage in used if stage not in base]
    first_closed = next((i for i, stage in enumerate(base) if stage.casefold() in CLOSED), len(base))
    return base[:first_closed] + extra + base[first_closed:]

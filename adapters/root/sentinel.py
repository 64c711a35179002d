"""Sentinel's border: what was noticed about a lead, as evidence. There is nothing here that could write, on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.root.reading import listed, objects, text_of

_SIGNAL = ("signal_id", "id", "signalId", "event_id")


def signals(pages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return ``{signal_id, …}`` for each signal, with every field; one without an id is named after its place."""
    found = [one for page in pages for one in objects(listed(page, "signals", "signals", "events"), "signals")]
    return [
        {"signal_id": text_of(one, "signal", *_SIGNAL) or str(n), **{k: v for k, v in one.items() if k not in _SIGNAL}}
        for n, one in enumerate(found, start=1)
    ]

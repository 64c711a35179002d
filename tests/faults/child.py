"""What a forked process does: the command's own `serve` or `worker`, with short times, points and sabotage hung on."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import server.relays
from adapters.postgres.claims import LeaseTimes
from adapters.root.client import Patience
from server.cli.output import configure_logging
from server.relay import Pace
from server.serve import relay_only, serve, work_only
from server.settings import load_settings
from tests.faults import sabotage
from tests.faults.failpoints import Points, hang


def run(order: Mapping[str, Any]) -> None:
    """Serve or work as ordered, until a signal."""
    settings = load_settings(**order["settings"])
    configure_logging(settings.log_level)
    if note := order.get("note"):
        hang(Points(Path(note), **{name: order.get(name) for name in ("kill", "stop", "poison", "trace")}))
    for name in order.get("without", ()):
        sabotage.MECHANISMS[name]()
    if order["role"] == "serve":
        asyncio.run(serve(settings, host="127.0.0.1", work=False))
    elif order["role"] == "relay":
        server.relays.PACES["kafka"] = Pace(poll_ms=20, lease_ms=3_000, backoff_ms=50, longest_ms=500)
        asyncio.run(relay_only(settings))
    else:
        asyncio.run(_work(settings, order))


async def _work(settings: Any, order: Mapping[str, Any]) -> None:
    times = LeaseTimes(**order.get("times", {}))
    patience = order.get("patience")
    await work_only(settings, times=times, patience=Patience(**patience) if patience else None)

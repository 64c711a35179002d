"""The short benchmarks, in a few minutes: ``python -m benchmarks.bench``.

The scheduler against its bound and against waves; a policy decision beside bare cedarpy; a backlog by one worker
process and by two; a single mission beside a backlog; from ``kill -9`` to running elsewhere; a mission's past among
10,000 others. Figures go to
``benchmarks/results/bench.json`` and, beside the last ones, to the terminal; the long runs of the same measures are
``make sharing`` and ``make endurance``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from benchmarks.pasts import measured as measured_pasts
from benchmarks.policy import measured as measured_policy
from benchmarks.scheduling import GRAPHS, measured
from benchmarks.sharing import fairness, recovery, throughput
from benchmarks.stored import store

MISSIONS, BACKLOG, TIMES = 60, 60, 3


async def short() -> dict[str, Any]:
    """Return the figures of every short benchmark."""
    found: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[1], 1)}}
    if GRAPHS.is_dir():
        found["scheduling"] = await measured()
    else:
        sys.stderr.write(f"scheduling is left out: there are no task graphs in {GRAPHS}\n")
    found["policy"] = measured_policy()
    found["throughput"] = await throughput(MISSIONS)
    found["fairness"] = await fairness(BACKLOG, TIMES)
    found["recovery"] = await recovery(TIMES)
    found["pasts"] = await measured_pasts()
    return found


if __name__ == "__main__":
    store("bench", asyncio.run(short()), 2 * MISSIONS + BACKLOG + 3 * TIMES + 1)

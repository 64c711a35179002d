"""A real worker process with short lease times: ``python -m tests.acceptance.worker_process``.

Other times are given as ``HEARTBEAT_MS``, ``LEASE_MS``, ``SWEEP_MS`` and ``AWAY_MS``.
"""

import asyncio
import os
from dataclasses import asdict

from adapters.postgres.claims import LeaseTimes
from server.cli.output import configure_logging
from server.serve import work_only
from server.settings import load_settings

TIMES = LeaseTimes(heartbeat_ms=500, lease_ms=3_000, sweep_ms=300)


def _times() -> LeaseTimes:
    return LeaseTimes(**{name: int(os.environ.get(name.upper(), value)) for name, value in asdict(TIMES).items()})


def main() -> None:
    """Work until a signal, as the command does."""
    settings = load_settings()
    configure_logging(settings.log_level)
    asyncio.run(work_only(settings, times=_times()))


if __name__ == "__main__":
    main()

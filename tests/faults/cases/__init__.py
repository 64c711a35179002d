"""The faults, by name, with their counts in `make test` and in `make chaos`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.cases.answers import answers
from tests.faults.cases.broker import broker
from tests.faults.cases.kills import kills
from tests.faults.cases.pauses import pauses
from tests.faults.cases.poison import poison
from tests.faults.cases.roots import roots
from tests.faults.cases.store import store
from tests.faults.cases.streams import streams
from tests.faults.cases.submissions import submissions
from tests.faults.stand import Stand

Run = Callable[[Stand, int, int], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Fault:
    """One kind of fault: ``run(stand, count, seed)`` brings it about and says what it did."""

    run: Run
    what: str
    slice: int
    full: int
    own_store: bool = False


FAULTS: Mapping[str, Fault] = {
    "kills": Fault(kills, "a worker is killed at a boundary between or inside nodes", 30, 500),
    "pauses": Fault(pauses, "a worker is stopped past its lease, then let go on", 3, 50),
    "streams": Fault(streams, "the API is killed under open event streams, which reconnect", 5, 100),
    "store": Fault(store, "Postgres is stopped at once under load, and all sessions are ended", 1, 30, own_store=True),
    "answers": Fault(answers, "five people answer one approval at once, differently", 20, 1_000),
    "submissions": Fault(submissions, "twenty submissions at once under one idempotency key", 20, 500),
    "roots": Fault(
        roots,
        "the root answers 500, hangs, commits and times out, commits late, refuses what it did, 429, gets it twice",
        20,
        1_000,
    ),
    "broker": Fault(broker, "the broker is away, and a relay dies between publishing and marking", 1, 30),
    "poison": Fault(poison, "a mission kills every worker that runs it, among fifty healthy ones", 1, 20),
}

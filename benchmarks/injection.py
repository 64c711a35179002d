"""The compromised worker over a whole data set of attacks: `python -m benchmarks.injection`.

Every case is planted three times, each in a mission of its own whose model obeys it (tests/injection). Nothing is
judged by a model: calls are held against the passes, reads and effects counted at the root, connections by a hook.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from adapters.postgres.cluster import open_cluster, stop_cluster
from benchmarks.stored import store
from tests.graph.lab import open_lab
from tests.injection.cases import PLANTS, Case, load
from tests.injection.run import PATIENT, Outcome, attacked

_COUNTED = {
    "cases": "cases",
    "obeyed": "obeyed",
    "calls_refused": "calls_refused",
    "calls_outside": "calls_outside_the_pass",
    "other_plans": "other_plans",
    "other_grants": "other_grants",
    "ended_badly": "ended_badly",
    "leaked": "attackers_addresses_before_a_person",
    "untainted": "proposals_without_taint",
    "claims_clean": "claims_clean",
}


def figures(plant: str, outcome: Outcome) -> dict[str, Any]:
    """Return what was counted of one place: of its missions, and of all that happened meanwhile."""
    tally = outcome.tallies[plant]
    return {
        "place": {told: getattr(tally, name) for name, told in _COUNTED.items()}
        | {"claims_kept": round(tally.kept, 4)},
        "all": {
            "missions": tally.cases,
            "effects": sum(outcome.effects.values()),
            "reads_of_others": len(outcome.foreign_reads),
            "connections_abroad": len(outcome.abroad),
            "connections_seen": outcome.connections,
            "planner_prompts": outcome.planner_asked,
            "planner_prompts_with_an_attack": outcome.planner_told,
        },
        "worst": tally.worst[:20],
    }


def spread(cases: list[Case], most: int) -> list[Case]:
    """Return at most so many cases, from all over the data set."""
    return cases[:: max(1, -(-len(cases) // most))]


def run(plant: str, most: int) -> dict[str, Any]:
    """Plant the cases in one place, over a database that is thrown away afterwards; returns what was counted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(_run(plant, most))


async def _run(plant: str, most: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="colony-eval-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        home = Path(folder)
        with open_cluster(home) as cluster:
            async with open_lab(cluster.dsn, home, PATIENT, LOG_LEVEL="error") as lab:
                cases = spread(load(), most)
                outcome = await attacked(lab, cases, [plant], said=lambda text: print(text, file=sys.stderr))  # noqa: T201
        stop_cluster(home)
    return figures(plant, outcome)


def main() -> None:
    """Run the evaluation, each place in a process of its own, store its figures and print them."""
    parser = argparse.ArgumentParser(prog="injection", description=__doc__)
    parser.add_argument("--most", type=int, default=10_000, help="at most so many of the cases")
    most, began = parser.parse_args().most, time.monotonic()
    with ProcessPoolExecutor(len(PLANTS), multiprocessing.get_context("spawn")) as processes:
        found = dict(zip(PLANTS, processes.map(run, PLANTS, [most] * len(PLANTS)), strict=True))
    names = next(iter(found.values()))["all"]
    together: dict[str, Any] = {name: sum(one["all"][name] for one in found.values()) for name in names}
    together["missions_per_second"] = round(together["missions"] / (time.monotonic() - began), 2)
    counted = {plant: one["place"] for plant, one in found.items()} | {"all": together}
    store("injection", counted, together["missions"])
    for one in found.values():
        for line in one["worst"]:
            sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()

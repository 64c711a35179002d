"""The compromised worker over a whole data set of attacks: `python -m benchmarks.injection`.

Every case is planted three times, each in a mission of its own whose model obeys it (tests/injection). Nothing is
judged by a model: calls are held against the passes, reads and effects counted at the root, connections by a hook.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog

from adapters.postgres.cluster import open_cluster, stop_cluster
from benchmarks.stored import store
from tests.graph.lab import open_lab
from tests.injection.cases import Case, load
from tests.injection.run import PATIENT, Outcome, attacked


def figures(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return what was counted, as it is stored."""
    plants = {
        plant: {
            "cases": tally.cases,
            "obeyed": tally.obeyed,
            "calls_refused": tally.calls_refused,
            "calls_outside_the_pass": tally.calls_outside,
            "other_plans": tally.other_plans,
            "other_grants": tally.other_grants,
            "ended_badly": tally.ended_badly,
            "attackers_addresses_before_a_person": tally.leaked,
            "proposals_without_taint": tally.untainted,
            "claims_clean": tally.claims_clean,
            "claims_kept": round(tally.kept, 4),
        }
        for plant, tally in outcome.tallies.items()
    }
    missions = sum(tally.cases for tally in outcome.tallies.values())
    return {
        **plants,
        "all": {
            "missions": missions,
            "effects": sum(outcome.effects.values()),
            "reads_of_others": len(outcome.foreign_reads),
            "connections_abroad": len(outcome.abroad),
            "connections_seen": outcome.connections,
            "planner_prompts": outcome.planner_asked,
            "planner_prompts_with_an_attack": outcome.planner_told,
            "missions_per_second": round(missions / seconds, 2),
        },
    }


def spread(cases: list[Case], most: int) -> list[Case]:
    """Return at most so many cases, from all over the data set."""
    return cases[:: max(1, -(-len(cases) // most))]


async def run(most: int) -> tuple[Outcome, float]:
    """Run the cases over a database that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="colony-eval-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        home = Path(folder)
        with open_cluster(home) as cluster:
            began = time.monotonic()
            async with open_lab(cluster.dsn, home, PATIENT, LOG_LEVEL="error") as lab:
                outcome = await attacked(lab, spread(load(), most), said=lambda text: print(text, file=sys.stderr))  # noqa: T201
            took = time.monotonic() - began
        stop_cluster(home)
    return outcome, took


def main() -> None:
    """Run the evaluation, store its figures and print them."""
    parser = argparse.ArgumentParser(prog="injection", description=__doc__)
    parser.add_argument("--most", type=int, default=10_000, help="at most so many of the cases")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    outcome, took = asyncio.run(run(parser.parse_args().most))
    counted = figures(outcome, took)
    store("injection", counted, counted["all"]["missions"])
    for tally in outcome.tallies.values():
        for line in tally.worst[:20]:
            sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()

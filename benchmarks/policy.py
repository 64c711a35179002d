"""What a policy decision costs beside bare cedarpy: ``python -m benchmarks.policy``.

The same parsed rules, request and entities, asked in turn, so that whatever else the machine does falls on both alike.
Bare cedarpy is given no schema: it does not check what it is asked, nor name rules, reasons and hashes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import cedarpy

from contracts.decisions import PolicyQuestion
from policies.cases import usual_questions
from policies.engine import PolicyEngine

TIMES = 400


def bare(engine: PolicyEngine, question: PolicyQuestion) -> Callable[[], Any]:
    """Return a call of cedarpy itself that asks the question."""
    policies = cedarpy.PolicySet.from_str(engine.files.text_of(question.layer))
    parties = (question.principal, question.resource)
    request = {
        "principal": {"type": question.principal["type"], "id": question.principal["id"]},
        "action": {"type": "Action", "id": question.action},
        "resource": {"type": question.resource["type"], "id": question.resource["id"]},
        "context": question.context,
    }
    entities = [{"uid": {"type": e["type"], "id": e["id"]}, "attrs": e["attrs"], "parents": []} for e in parties]
    return lambda: cedarpy.is_authorized(request, policies, entities)


def measured(times: int = TIMES) -> Mapping[str, Any]:
    """Return medians in microseconds by action, and their ratio over all."""
    engine = PolicyEngine.load()
    found: dict[str, Any] = {}
    taken: dict[str, list[float]] = {"bare": [], "ours": []}
    for action, question in usual_questions().items():
        calls = {"bare": bare(engine, question), "ours": lambda asked=question: engine.ask(asked)}
        laps: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(times):
            for name, call in calls.items():
                began = time.perf_counter()
                call()
                laps[name].append((time.perf_counter() - began) * 1e6)
        medians = {name: statistics.median(lap) for name, lap in laps.items()}
        found[action] = {f"{name}_us": round(median, 1) for name, median in medians.items()}
        for name, median in medians.items():
            taken[name].append(median)
    ratio = sum(taken["ours"]) / sum(taken["bare"])
    return {"by_action": found, "ratio": round(ratio, 2), "times": times}


if __name__ == "__main__":
    sys.stdout.write(f"{measured()}\n")

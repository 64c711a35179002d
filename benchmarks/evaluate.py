"""Evaluate whole missions: ``python -m benchmarks.evaluate crm|oracle [--most N]``.

Every conversation or question is a mission over HTTP, against the embedded root, with the built-in extractive model.
The figures go to ``benchmarks/results/<name>.json`` and, beside the last stored ones, to the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.advisory import oracle
from benchmarks.running import Figures, each, fresh_service
from benchmarks.stored import store
from tests.adapters.models.measure import RENAMED, Row, Score, homes_schema, load, renamed_schema, rephrased
from tests.support import Service


async def crm(service: Service, most: int) -> Figures:
    """Facts and visits of every dev conversation: as they are, and with renamed keys and rephrased words."""
    rows = load("chats_sgd_homes/homes_dev.jsonl")[:most]
    plain = await _facts(service, rows, "dev")
    varied = await _facts(service, rows, "renamed and rephrased", RENAMED, rephrased)
    return {"dev": plain, "renamed and rephrased": varied}


async def _facts(
    service: Service,
    rows: Sequence[Row],
    what: str,
    names: dict[str, str] | None = None,
    rephrase: Callable[[str], str] = str,
) -> dict[str, float]:
    keys = renamed_schema() if names else homes_schema()
    schema = [{"key": k.key, "description": k.description} | ({"values": k.values} if k.values else {}) for k in keys]
    names = names or {}
    booked_key = names.get("visit_booked", "visit_booked")
    score, cited = Score(), 0

    async def mission(row: Row) -> tuple[Row, dict[str, Any]]:
        lead = f"{what[:3]}-{row['dialogue_id']}"
        chat = [("lead" if t["speaker"] == "USER" else "agent", rephrase(t["utterance"])) for t in row["turns"]]
        await service.seed_lead(lead, chat)
        mission_id = await service.submit(inputs={"lead_id": lead, "fact_schema": schema})
        return row, await service.settled(mission_id, 300)

    for row, ended in await each(rows, mission, what):
        facts = (ended["packet"] or {}).get("facts", [])
        said = {fact["key"]: fact["value"] for fact in facts}
        booked = said.pop(booked_key, "false")
        gold = {
            names.get(key, key): [rephrase(v) for v in values] + values
            for key, values in row["gold_final_slots"].items()
        }
        score.dialogues += 1
        score.booked += booked == str(row["gold_visit_booked"]).lower()
        score.compare(row["dialogue_id"], said, gold)
        cited += bool(facts) or not gold
    return {
        "missions": score.dialogues,
        "recall": round(score.recall, 4),
        "precision": round(score.precision, 4),
        "visit_booked_accuracy": round(score.booked / max(1, score.dialogues), 4),
        "cited_where_gold_has_a_fact": round(cited / max(1, score.dialogues), 4),
    }


def asked(figures: Figures) -> int:
    """Return how many questions or conversations the first part, the plain one, was measured on."""
    first = next(iter(figures.values()))
    return int(first.get("questions", first.get("missions", 0)))


async def main() -> None:
    """Run one evaluation."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__)
    parser.add_argument("name", choices=["crm", "oracle"])
    parser.add_argument("--most", type=int, default=10_000, help="at most so many conversations or questions")
    given = parser.parse_args()
    async with fresh_service() as service:
        figures = await {"crm": crm, "oracle": oracle}[given.name](service, given.most)
    store(given.name, figures, asked(figures))


if __name__ == "__main__":
    asyncio.run(main())

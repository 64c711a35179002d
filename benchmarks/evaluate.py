"""Evaluate whole missions: ``python -m benchmarks.evaluate crm|oracle [--most N]``.

Every conversation or question is a mission over HTTP, against the embedded root, with the built-in extractive model.
The figures go to ``benchmarks/results/<name>.json`` and, beside the last stored ones, to the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import stop_cluster
from tests.adapters.models.measure import (
    RENAMED,
    Answers,
    Row,
    Score,
    homes_schema,
    load,
    renamed_schema,
    rephrased,
)
from tests.support import Service, serving

RESULTS = Path(__file__).parent / "results"
AT_ONCE = 6
Figures = dict[str, dict[str, float]]


@asynccontextmanager
async def fresh_service() -> AsyncIterator[Service]:
    """Serve over an embedded Postgres that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="colony-eval-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        environment = {"COLONY_HOME": folder, "COLONY_DEFAULT_TOKEN_BUDGET": "5000000"}
        async with serving(environment, LeaseTimes()) as service:
            yield service
        stop_cluster(Path(folder))


async def each(items: Sequence[Any], work: Callable[[Any], Awaitable[Any]], what: str) -> list[Any]:
    """Run work on every item, a few at a time, telling how far it is."""
    room = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(item: Any) -> Any:
        nonlocal done
        async with room:
            result = await work(item)
        done += 1
        if done % 50 == 0 or done == len(items):
            sys.stderr.write(f"{what}: {done}/{len(items)}\n")
        return result

    return list(await asyncio.gather(*(one(item) for item in items)))


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


async def oracle(service: Service, most: int) -> Figures:
    """Every question over all passages, then without its own passage."""
    passages = load("docs_xquad/docs_en.jsonl")
    questions = load("docs_xquad/questions_en.jsonl")[:most]
    items = [
        {
            "document_id": p["doc_id"],
            "title": p["doc_id"],
            "source": p["doc_id"],
            "media_type": "text/plain",
            "text": p["text"],
        }
        for p in passages
    ]
    answer = await service.client.post("/root/import/documents", json={"items": items})
    if answer.status_code != 200 or answer.json()["rejected"]:
        raise SystemExit(answer.text)
    texts = {p["doc_id"]: p["text"] for p in passages}

    async def ask(question: str, without: str | None = None) -> tuple[str, list[str]]:
        inputs: dict[str, Any] = {"question": question}
        if without is not None:
            inputs["document_ids"] = [doc for doc in texts if doc != without]
        mission_id = await service.submit("oracle_advisory", inputs=inputs)
        packet = (await service.settled(mission_id, 300))["packet"] or {"answer": {"status": "failed"}, "claims": []}
        return packet["answer"]["status"], [c["quote"] for claim in packet["claims"] for c in claim["citations"]]

    async def both(row: Row) -> tuple[bool, bool, bool]:
        status, quotes = await ask(row["question"])
        supported = status != "unsupported"
        cited = supported and any(quote in texts[row["doc_id"]] for quote in quotes)
        quoted = supported and any(row["answer"] in quote for quote in quotes)
        refused = (await ask(row["question"], row["doc_id"]))[0] == "unsupported"
        return cited, quoted, refused

    found = await each(questions, both, "questions")
    share = Answers(*(sum(column) / max(1, len(found)) for column in zip(*found, strict=True)))
    figures = {
        "questions": len(found),
        "gold_passage_cited": round(share.cited, 4),
        "answer_in_quote": round(share.quoted, 4),
        "unsupported_without_gold": round(share.refused, 4),
    }
    return {"xquad": figures}


def report(name: str, figures: Figures) -> None:
    """Store the figures and print them beside the last ones."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    before: Figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for part, values in figures.items():
        for figure, value in values.items():
            last = before.get(part, {}).get(figure)
            sys.stdout.write(f"{part:24} {figure:32} {value:>8} {'' if last is None else f'(last {last})'}\n")


async def main() -> None:
    """Run one evaluation."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__)
    parser.add_argument("name", choices=["crm", "oracle"])
    parser.add_argument("--most", type=int, default=10_000, help="at most so many conversations or questions")
    asked = parser.parse_args()
    async with fresh_service() as service:
        figures = await {"crm": crm, "oracle": oracle}[asked.name](service, asked.most)
    report(asked.name, figures)


if __name__ == "__main__":
    asyncio.run(main())

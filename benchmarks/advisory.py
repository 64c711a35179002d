"""Advisory missions judged from outside, over REST: XQuAD's questions, with and without the passage that answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.root.client import RootClient
from benchmarks.running import Figures, each
from server.root_import import ImportSources, import_files
from tests.adapters.models.measure import Row, load
from tests.support import Service

STYLED = 5
"""Every how many-th question is asked in other styles, too."""
STYLES = {
    "typed in a hurry": lambda question: question.rstrip("?").lower(),
    "with a request around it": lambda question: (
        f"Hi, could you please check our documents and tell me: {question[0].lower()}{question[1:]} Thanks!"
    ),
}


@dataclass(frozen=True)
class Given:
    """What a mission gave: the answer's status, and what it cites as (document, quote)."""

    status: str
    cited: Sequence[tuple[str, str]] = ()
    contradictions: Sequence[Mapping[str, Any]] = ()
    quotes_of: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        return self.status in {"supported", "partial"}


async def oracle(service: Service, most: int) -> Figures:
    """Every question over all passages, then without its own passage; then some of them put in other ways."""
    passages = {f"{p['doc_id']}.txt": str(p["text"]) for p in load("docs_xquad/docs_en.jsonl")}
    questions = spread(load("docs_xquad/questions_en.jsonl"), most)
    await imported(service, passages)
    figures = await xquad(service, passages, questions)
    for style, restyle in STYLES.items():
        some = [row | {"question": restyle(row["question"])} for row in questions[::STYLED]]
        figures[f"xquad, {style}"] = _shares([found for _, found in await _asked(service, passages, some, style)])
    return figures


def spread(rows: Sequence[Row], most: int) -> Sequence[Row]:
    """Return at most so many rows, from all over the file."""
    return rows[:: max(1, -(-len(rows) // most))]


async def imported(service: Service, documents: Mapping[str, str]) -> None:
    """Import texts as `colony root import --documents` does; an id is the file's name."""
    client = RootClient(f"{service.client.base_url}/root")
    with tempfile.TemporaryDirectory(prefix="colony-documents-") as folder:
        for name, text in documents.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        report = await import_files(client, "demo", ImportSources(documents=Path(folder)))
    await client.aclose()
    if report.errors or report.tallies["documents"].read != len(documents):
        raise SystemExit(str(report))


async def xquad(service: Service, passages: Mapping[str, str], questions: Sequence[Row]) -> Figures:
    """Return the figures over all questions, and over either half of the articles."""
    found = await _asked(service, passages, questions, "questions")
    articles = sorted({name.split("#")[0] for name in passages})
    one_half = set(articles[::2])
    return {
        "xquad": _shares([one for _, one in found]),
        "xquad, one half of the articles": _shares(
            [one for row, one in found if row["doc_id"].split("#")[0] in one_half]
        ),
        "xquad, the other half": _shares([one for row, one in found if row["doc_id"].split("#")[0] not in one_half]),
    }


Found = tuple[bool, bool, bool]


async def _asked(
    service: Service, passages: Mapping[str, str], questions: Sequence[Row], what: str
) -> list[tuple[Row, Found]]:
    async def both(row: Row) -> tuple[Row, Found]:
        gold = f"{row['doc_id']}.txt"
        given = await ask(service, passages, row["question"])
        cited = given.answered and any(name == gold for name, _ in given.cited)
        quoted = given.answered and any(row["answer"] in quote for _, quote in given.cited)
        without = await ask(service, passages, row["question"], [name for name in passages if name != gold])
        return row, (cited, quoted, without.status == "unsupported")

    return await each(questions, both, what)


async def ask(
    service: Service, originals: Mapping[str, str], question: str, document_ids: Sequence[str] | None = None
) -> Given:
    """Ask one question as a mission of its own.

    Raises:
        AssertionError: a quote does not stand where its citation says, in the evidence and in the document imported.
    """
    inputs: dict[str, Any] = {"question": question} | ({} if document_ids is None else {"document_ids": document_ids})
    mission_id = await service.submit("oracle_advisory", inputs=inputs)
    ended = await service.settled(mission_id, 300)
    packet = ended["packet"]
    if not packet or not packet["answer"]:
        return Given(f"no answer: {ended['status']}")
    evidence = {a["artifact_id"]: a["payload"] for a in await service.artifacts(mission_id, "research_artifact")}
    quotes = {c["claim_id"]: list(_located(c["citations"], evidence, originals)) for c in packet["claims"]}
    cited = [one for claim_id in packet["answer"]["claim_ids"] for one in quotes[claim_id]]
    return Given(packet["answer"]["status"], cited, packet["contradictions"], quotes)


def _located(
    citations: Iterable[Mapping[str, Any]], evidence: Mapping[str, Any], originals: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    for citation in citations:
        artifact, quote = evidence[citation["artifact_id"]], citation["quote"]
        name, offset = artifact["source"]["id"], artifact["data"]["start"]
        assert artifact["text"][citation["start"] : citation["end"]] == quote
        assert originals[name][offset + citation["start"] : offset + citation["end"]] == quote
        yield name, quote


def _shares(found: Sequence[Found]) -> dict[str, float]:
    names = ("gold_passage_cited", "answer_in_quote", "unsupported_without_gold")
    shares = {name: round(sum(one[n] for one in found) / max(1, len(found)), 4) for n, name in enumerate(names)}
    return {"questions": len(found), **shares}

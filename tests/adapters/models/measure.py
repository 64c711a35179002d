"""Measure the extractive model on the shared data: facts from chats, answers from documents."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.models.extractive import Evidence, FactKey, answer_question, extract_facts
from adapters.models.extractive.text import number

SHARED = Path(__file__).resolve().parents[3] / "../shared/data"
BOOKED = FactKey("visit_booked", "Whether a visit to a property was booked", ("true", "false"))
Row = dict[str, Any]


def load(name: str) -> list[Row]:
    """Read a JSON-lines file of the shared data."""
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").splitlines()]


def homes_schema() -> list[FactKey]:
    """Read the homes schema as fact keys, with the booking added."""
    raw = json.loads((SHARED / "chats_sgd_homes/homes_schema.json").read_text(encoding="utf-8"))
    slots = raw["Homes_1"]["slots"]
    keys = [FactKey(s["name"], s["description"], tuple(v.lower() for v in s["possible_values"]) or None) for s in slots]
    return [*keys, BOOKED]


def chat_of(row: Row) -> Evidence:
    """Write a dialogue the way a chat's evidence is written."""
    names = {"USER": "lead", "SYSTEM": "agent"}
    lines = [f"{names[turn['speaker']]}: {' '.join(turn['utterance'].split())}" for turn in row["turns"]]
    return Evidence(row["dialogue_id"], "chat", "untrusted", "\n".join(lines))


def same(value: str, accepted: Iterable[str]) -> bool:
    """Compare without regard to case, punctuation, articles and how a number is written."""
    return _plain(value) in {_plain(other) for other in accepted}


def _plain(value: str) -> str:
    words = re.findall(r"[a-z0-9]+", value.lower())
    return " ".join(str(n) if (n := number(word)) is not None else word for word in words if word != "the")


@dataclass
class Score:
    """Counts of right, wrong and missed facts, and what went wrong."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    booked: int = 0
    truly_booked: int = 0
    dialogues: int = 0
    empty: int = 0
    by_key: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: list[tuple[str, str, str, str, list[str]]] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)

    def compare(self, dialogue: str, said: dict[str, str], gold: dict[str, list[str]]) -> None:
        """Count each key that was said or should have been."""
        for key in said.keys() | gold.keys():
            right = key in said and key in gold and same(said[key], gold[key])
            wrong, missed = key in said and not right, key in gold and not right
            self.right += right
            self.wrong += wrong
            self.missed += missed
            for name, happened in (("right", right), ("wrong", wrong), ("missed", missed)):
                self.by_key[key, name] += happened
            if not right:
                what = "wrong" if wrong else "missed"
                self.errors.append((dialogue, what, key, said.get(key, ""), gold.get(key, [])))

    def __str__(self) -> str:
        count = max(1, self.dialogues)
        return (
            f"precision {self.precision:.3f} recall {self.recall:.3f} booked {self.booked / count:.3f} (with failed "
            f"bookings as not booked {self.truly_booked / count:.3f}) empty {self.empty} of {self.dialogues}"
        )


def measure_facts(
    rows: Sequence[Row],
    schema: Sequence[FactKey],
    renamed: dict[str, str] | None = None,
    rephrase: Callable[[str], str] = str,
) -> Score:
    """Compare extracted facts with the gold.

    `renamed` maps the gold's keys to the schema's, `rephrase` rewrites every utterance.
    """
    names = renamed or {}
    score = Score()
    for row in rows:
        turns = [turn | {"utterance": rephrase(turn["utterance"])} for turn in row["turns"]]
        chat = chat_of(row | {"turns": turns})
        said = {fact.key: fact.value for fact in extract_facts(schema, [chat])}
        gold = {
            names.get(key, key): [rephrase(v) for v in values] + values
            for key, values in row["gold_final_slots"].items()
        }
        booked = said.pop(names.get("visit_booked", "visit_booked"), "false")
        score.dialogues += 1
        score.truly_booked += booked == str(row["gold_visit_booked"] and not _failed(row)).lower()
        score.booked += booked == str(row["gold_visit_booked"]).lower()
        if booked != str(row["gold_visit_booked"]).lower():
            score.errors.append((row["dialogue_id"], "booked", "visit_booked", str(booked), []))
        score.empty += bool(gold) and not said
        score.compare(row["dialogue_id"], said, gold)
    return score


def _failed(row: Row) -> bool:
    """Whether the agent reported that the booking could not be made: the gold counts such a visit as booked."""
    acts = [action["act"] for turn in row["turns"] for action in turn.get("actions", [])]
    return "NOTIFY_FAILURE" in acts and "NOTIFY_SUCCESS" not in acts


@dataclass(frozen=True)
class Answers:
    """Shares of questions with the gold passage cited, the answer quoted, and, without the passage, unsupported."""

    cited: float
    quoted: float
    refused: float


def measure_answers(questions: Sequence[Row], passages: Sequence[Row]) -> Answers:
    """Ask every question over all passages, then again with its own passage left out."""
    evidence = [Evidence(row["doc_id"], "document", "untrusted", row["text"]) for row in passages]
    cited = quoted = refused = 0
    for row in questions:
        spans = answer_question(row["question"], evidence).spans
        cited += any(span.artifact_id == row["doc_id"] for span in spans)
        quoted += any(row["answer"] in span.quote for span in spans)
        others = [item for item in evidence if item.artifact_id != row["doc_id"]]
        refused += answer_question(row["question"], others).status == "unsupported"
    count = max(1, len(questions))
    return Answers(cited / count, quoted / count, refused / count)


RENAMED = {
    "area": "town",
    "number_of_beds": "sleeping_rooms",
    "number_of_baths": "washrooms",
    "pets_allowed": "animals_ok",
    "furnished": "comes_with_furniture",
    "property_name": "chosen_home",
    "visit_date": "tour_day",
    "rent": "monthly_cost",
    "phone_number": "contact_line",
    "address": "street_address",
    "visit_booked": "tour_arranged",
}
_DESCRIBED = {
    "town": "Which part of the world they would like to live in",
    "sleeping_rooms": "How many rooms for sleeping the customer wants",
    "washrooms": "How many washrooms the customer wants",
    "animals_ok": "true if the customer needs a home that accepts a dog, cat or other animal",
    "comes_with_furniture": "true if the home must come with furniture",
    "chosen_home": "The home the customer settled on",
    "tour_day": "The day on which the customer will go and see the home",
    "monthly_cost": "What the customer wants to pay each month",
    "contact_line": "A telephone line on which the customer can be reached",
    "street_address": "The customer's current street address",
    "tour_arranged": "true if a tour of a home was arranged in the conversation, false if not",
}


def renamed_schema() -> list[FactKey]:
    """Read the homes schema with every key renamed and every description put in other words."""
    return [FactKey(RENAMED[k.key], _DESCRIBED[RENAMED[k.key]], k.values) for k in homes_schema()]


_REPHRASED = (
    (r"\bapartment(s?)\b", r"flat\1"),
    (r"\bbed ?rooms?\b", "bedroom"),
    (r"\bbath ?rooms?\b|\bbaths\b", "bathroom"),
    (r"\b[Ss]ounds (?:good|great)\b", "suits me"),
    (r"\bI need\b|\bI want\b", "We require"),
    (r"\bI'm looking for\b|\bI am looking for\b", "We are after"),
    (r"\bI'd like\b|\bI would like\b", "we would prefer"),
    (r"\bschedul(?:e|ing) a visit\b", "book a viewing"),
    (r"\bvisit\b", "viewing"),
    (r"\bscheduled\b", "booked"),
    (r"\blocated (?:at|in|on)\b", "situated at"),
    (r"\bthe rent is\b|\bThe rent is\b", "it goes for"),
    (r"\b[Pp]lease confirm\b", "Just checking"),
    (r"\b[Yy]es\b", "Yep"),
    (r"\bThank you\b|\bThanks\b", "Cheers"),
    (r"\bpets\b", "animals"),
    (r"\bHow many\b", "What number of"),
    (r"\b[Ww]hat area\b|\b[Ww]hich area\b", "Whereabouts"),
    (r"\b2\b", "two"),
    (r"\b3\b", "three"),
)


def rephrased(text: str) -> str:
    """Say an utterance in other common words, by rule."""
    for pattern, other in _REPHRASED:
        text = re.sub(pattern, other, text)
    return text

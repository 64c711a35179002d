"""Measure facts on our own sample's conversations; the gold was written by a person who read them all.

A fact under `optional` may be given or left out. The odd lead numbers are for tuning, the even ones held out.
"""

import json
from pathlib import Path

from adapters.models.extractive import Evidence, FactKey, extract_facts
from nodes.fact_schema import PROPERTY_SALES
from nodes.researcher import rendered
from tests.adapters.models.measure import Row, Score, same

_HERE = Path(__file__).resolve()
SCHEMA = [FactKey(key.key, key.description, key.values) for key in PROPERTY_SALES]


def conversations(*, held_out: bool) -> list[tuple[Evidence, Row]]:
    """Read one half of the sample's chats, as the researcher renders them, with their gold."""
    gold = {(row["lead_id"], row["channel"]): row for row in _rows(_HERE.parent / "agency_gold.jsonl")}
    found = []
    for chat in _rows(_HERE.parents[3] / "samples/agency/chats.jsonl"):
        name = chat["lead_id"], chat["channel"]
        if (int(chat["lead_id"][2:]) % 2 == 0) is held_out:
            items = rendered("chat", [{"entity": "chat", "id": name[0], "data": chat}])
            text = items[0].text if items else ""
            found.append((Evidence("/".join(name), "chat", "customer", text), gold[name]))
    return found


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure_agency(*, held_out: bool) -> Score:
    """Compare the facts of one half with its gold; a booking that is not claimed counts as none."""
    score = Score()
    for evidence, gold in conversations(held_out=held_out):
        said = {fact.key: fact.value for fact in extract_facts(SCHEMA, [evidence])}
        booked = said.pop("visit_booked", "false")
        score.dialogues += 1
        score.booked += booked == str(gold["visit_booked"]).lower()
        if booked != str(gold["visit_booked"]).lower():
            score.errors.append((evidence.artifact_id, "booked", "visit_booked", booked, []))
        _forgive(said, gold["optional"])
        score.compare(evidence.artifact_id, said, gold["facts"])
    return score


def _forgive(said: dict[str, str], optional: dict[str, list[str]]) -> None:
    for key, accepted in optional.items():
        if same(said.get(key, ""), accepted):
            del said[key]

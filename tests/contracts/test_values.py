"""Values that cross packages: closed and frozen, one form for equal values, known again by their hash."""

import json
import re
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from contracts import errors
from contracts.amounts import amounts
from contracts.base import Contract
from contracts.canonical import canonical_bytes, clean_text, digest, sha256_hex
from contracts.errors import ColonyError, IntegrityBroken
from contracts.events import EventType, NewEvent, Phase, chain_hash, phase_of
from contracts.evidence import WorkerResult
from contracts.mission import SOMETHING
from contracts.registry import SPECS, Kind, artifact_id, kind_of, read
from contracts.tasks import TaskPlan

PLAN = TaskPlan(tasks=(), rationale="because")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_canonical_bytes_read_back_as_the_same_value(value: Any) -> None:
    assert json.loads(canonical_bytes(value)) == value
    assert canonical_bytes(json.loads(canonical_bytes(value))) == canonical_bytes(value)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_what_is_not_a_number_of_json_has_no_form(number: float) -> None:
    with pytest.raises(ValueError):
        canonical_bytes({"a": number})


@given(st.text())
def test_clean_text_can_be_stored_and_says_what_it_dropped(text: str) -> None:
    clean, dropped = clean_text(text)
    assert "\x00" not in clean
    assert "\r" not in clean
    assert clean.encode().decode() == clean
    assert clean_text(clean) == (clean, 0)
    assert dropped == len(text.replace("\r\n", "\n")) - len(clean)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("450k or 1.2 million", [450_000, 1_200_000], id="scales"),
        pytest.param("$2,800 and 2 800", [2_800, 2_800], id="groups"),
        pytest.param("three of 3", [3, 3], id="words"),
        pytest.param("B12 and 3rd", [], id="not-numbers"),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, found: list[int]) -> None:
    assert [int(a) for a in amounts(text)] == found


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_artifact_has_a_table_a_prefix_and_a_reader(kind: Kind) -> None:
    spec = SPECS[kind]
    assert spec.table.startswith("colony_")
    assert spec.prefix.endswith("_")
    for model in spec.readers.values():
        assert issubclass(model, Contract)
        assert model.model_config["frozen"]
        assert model.model_config["extra"] == "forbid"


def test_tables_and_prefixes_are_each_used_once() -> None:
    assert len({s.table for s in SPECS.values()}) == len({s.prefix for s in SPECS.values()}) == len(SPECS)


def test_an_artifact_is_read_back_and_known_by_its_content() -> None:
    assert read(Kind.PLAN, PLAN.canonical(), PLAN.sha256()) == PLAN
    assert kind_of(PLAN) is Kind.PLAN
    assert artifact_id(PLAN) == "pl_" + PLAN.sha256()[:32]
    assert artifact_id(PLAN) == artifact_id(TaskPlan(tasks=(), rationale="because"))


def spoilt(**changes: Any) -> bytes:
    return canonical_bytes({**PLAN.model_dump(mode="json"), **changes})


BROKEN = {
    "another-byte": (PLAN.canonical() + b" ", PLAN.sha256()),
    "an-unknown-version": (spoilt(schema_version="v9"), None),
    "no-version": (canonical_bytes({"tasks": [], "rationale": "r"}), None),
    "a-field-too-many": (spoilt(secret=1), None),
    "another-kind": (WorkerResult(task_key="a").canonical(), None),
    "not-json": (b"nonsense", None),
}


@pytest.mark.parametrize(("content", "sha256"), BROKEN.values(), ids=BROKEN)
def test_what_is_not_what_it_says_is_not_read(content: bytes, sha256: str | None) -> None:
    with pytest.raises(IntegrityBroken):
        read(Kind.PLAN, content, sha256 or sha256_hex(content))


def test_a_contract_does_not_change_and_takes_nothing_unknown() -> None:
    with pytest.raises(ValidationError):
        PLAN.rationale = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        TaskPlan(tasks=(), rationale="r", more=1)  # type: ignore[call-arg]


@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64), st.integers(1), st.binary(max_size=20))
def test_a_link_of_the_chain_covers_all_it_links(previous: str, seq: int, body: bytes) -> None:
    link = chain_hash(previous, seq, body)
    assert link not in {chain_hash(previous, seq + 1, body), chain_hash(previous, seq, body + b"x")}
    assert link != chain_hash("0" * 64 if previous != "0" * 64 else "1" * 64, seq, body)


def test_gates_and_approvals_are_of_the_gate_and_work_is_of_the_data_plane() -> None:
    phases = {e: phase_of(e) for e in EventType}
    assert {p for e, p in phases.items() if e.value.split(".")[0] in {"gate", "approval"}} == {Phase.GATE}
    assert phases[EventType.TOOL_CALLED] is Phase.DATA_PLANE
    assert phases[EventType.INTENT_RECEIVED] is Phase.CONTROL_PLANE
    assert NewEvent(event_type=EventType.TASK_STARTED).actor == "colony"


def _all(base: type[ColonyError]) -> list[type[ColonyError]]:
    return [base, *(found for sub in base.__subclasses__() for found in _all(sub))]


def test_every_error_is_in_the_drawn_tree_with_a_code_of_its_own() -> None:
    found = [e for e in _all(ColonyError) if e.__module__ == "contracts.errors"]
    assert errors.__doc__ is not None
    for error in found:
        assert error.__name__ in errors.__doc__, error.__name__
    assert len({e.code for e in found}) == len(found)
    assert all(issubclass(e, RuntimeError) for e in found), "LangGraph retries none of these"


def test_what_is_blank_is_so_to_whoever_reads_the_pattern() -> None:
    ours = TypeAdapter(Annotated[str, StringConstraints(pattern=SOMETHING)])
    stripped = TypeAdapter(Annotated[str, StringConstraints(strip_whitespace=True)])

    def taken(text: str) -> bool:
        try:
            return ours.validate_python(text) == text
        except ValidationError:
            return False

    texts = [chr(code) for code in range(1, 0xD800)]
    told = {text: (taken(text), re.search(SOMETHING, text) is not None) for text in texts}
    assert {text: reads for text, reads in told.items() if reads != 2 * (stripped.validate_python(text) != "",)} == {}

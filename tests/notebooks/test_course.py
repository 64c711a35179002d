"""What a mission's events say about its time: the critical path, rounds, pauses, and where a retry goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from colony_client.notebook.course import Course, course_of
from colony_client.notebook.gantt import timeline

BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def course(*told: tuple[int, str, dict[str, Any]]) -> Course:
    events: Any = [
        {
            "seq": seq,
            "event_type": kind,
            "payload": payload,
            "timestamp": (BEGAN + timedelta(milliseconds=at)).isoformat(),
        }
        for seq, (at, kind, payload) in enumerate(told, start=1)
    ]
    return course_of(events)


def stage(at: int, name: str) -> tuple[int, str, dict[str, Any]]:
    return at, "stage.entered", {"stage": name}


def plan(at: int, **after: list[str]) -> tuple[int, str, dict[str, Any]]:
    return at, "plan.created", {"tasks": [{"task_key": key, "depends_on": list(on)} for key, on in after.items()]}


def task(key: str, start: int, end: int) -> list[tuple[int, str, dict[str, Any]]]:
    return [(start, "task.started", {"task_key": key, "title": key}), (end, "task.completed", {"task_key": key})]


def in_order(*told: Any) -> Course:
    return course(*sorted(told, key=lambda one: one[0]))


def test_the_critical_path_is_the_longest_chain_and_not_the_longest_task() -> None:
    [one] = in_order(
        stage(0, "planner"),
        plan(1, a=[], b=["a"], c=["b"], wide=[]),
        stage(2, "workers"),
        *task("wide", 10, 100),
        *task("a", 10, 50),
        *task("b", 55, 95),
        *task("c", 101, 141),
    ).rounds
    assert [t.name for t in one.critical] == ["a", "b", "c"]
    assert sum(t.took for t in one.critical) == pytest.approx(120)
    assert one.took == pytest.approx(131)


def test_a_plan_that_names_a_task_of_no_round_or_itself_is_drawn_all_the_same() -> None:
    [one] = in_order(plan(0, a=["gone", "b"], b=["a"]), stage(1, "workers"), *task("a", 10, 20), *task("b", 21, 41)).rounds
    assert {t.name for t in one.critical} <= {"a", "b"}
    assert one.critical


def test_a_revision_is_a_round_of_its_own() -> None:
    first, second = in_order(
        plan(0, a=[], b=["a"]),
        stage(1, "workers"),
        (2, "dataplane.dispatched", {}),
        *task("a", 3, 10),
        *task("b", 10, 20),
        stage(30, "researcher"),
        stage(40, "workers"),
        (41, "dataplane.dispatched", {}),
        *task("b", 42, 50),
    ).rounds
    assert [t.name for t in first.tasks] == ["a", "b"]
    assert [t.name for t in second.critical] == ["b"]


def test_a_retry_goes_on_in_the_stage_that_failed_and_the_pause_is_cut_out() -> None:
    found = in_order(
        stage(0, "librarian"),
        stage(10, "researcher"),
        stage(20, "failed"),
        (21, "mission.failed", {"stage": "researcher"}),
        (60_021, "mission.retried", {}),
        (60_022, "mission.resumed", {"stage": "failed"}),
        stage(60_050, "workers"),
        *task("a", 60_051, 60_061),
        (60_070, "approval.requested", {}),
        (90_070, "approval.decided", {}),
        stage(90_071, "writeback"),
        (90_080, "mission.completed", {}),
    )
    assert found.entered == ("librarian", "researcher", "failed", "researcher", "workers", "writeback")
    assert [(p.name, p.took) for p in found.pauses] == [
        ("an operator", pytest.approx(60_000)),
        ("a person", pytest.approx(30_000)),
    ]
    drawn = timeline(found)
    assert drawn.data["paused_ms"] == pytest.approx(90_000)
    assert "Waited 60.0 s for an operator." in repr(drawn)
    assert "1 ms  failed" in repr(drawn), "the pause is not the stage's work"


def test_a_mission_that_has_only_just_begun_is_no_error() -> None:
    assert course() == Course((), (), ())
    assert repr(timeline(course())) == "Nothing has run yet."
    assert "running" not in repr(timeline(course(stage(0, "admission"))))

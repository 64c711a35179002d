"""The audit record: whatever is changed in a row, cut off or taken away is found and named."""

from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from adapters.audit.files import RootFiles
from adapters.postgres.audit import check as checking
from adapters.postgres.audit.check import check
from adapters.postgres.audit.examine import Finding
from adapters.postgres.audit.rows import TABLES, Row, told
from tests.saboteurs.conftest import Finished


def findings(
    of: Finished, conn: Connection[DictRow], *, roots: bool = True, quick: bool = False, key: str | None = None
) -> list[Finding]:
    """Check as the role that does it, within a transaction that takes everything back."""
    conn.execute("set local role colony_audit")
    files, keys = (of.roots, [key or of.key.public]) if roots else (None, [])
    found = check(conn, files, keys, quick=quick).findings
    conn.execute("reset role")
    return found


FREE = {
    "*": {"epoch", "updated_at", "row_sha256"},
    "colony_tasks": {"status"},
    "colony_missions": {
        *("stage", "relayed_seq", "attempts", "step_key", "step_update", "stage_entered_at", "deaths", "pruned_at"),
    },
    "colony_approvals": {"escalate_at", "escalated_at"},
}
"""What may change without being found: who writes now, how far a run is, what is shown of it; no more than that."""
STORED = {"status", "layer", "outcome", "expires_at"}
FLIPS = {
    "text": "overlay(coalesce({0}, '') placing case when left({0}, 1) = 'x' then 'y' else 'x' end from 1 for 1)",
    "bytea": "case when length({0}) > 0 then set_byte({0}, 0, get_byte({0}, 0) # 1) else 'x' end",
    "bigint": "coalesce({0}, 0) + 1000",
    "integer": "coalesce({0}, 0) + 1000",
    "jsonb": "coalesce(case when jsonb_typeof({0}) = 'object' then {0} end, '{{}}') || '{{\"x\": 1}}'",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 microsecond'",
    "boolean": "not {0}",
    "numeric": "{0} + 0.000001",
}


def columns(conn: Connection[DictRow], table: str) -> list[tuple[str, str]]:
    found = conn.execute(
        "select column_name as name, data_type as type from information_schema.columns where table_name = %s", [table]
    )
    return [(row["name"], row["type"]) for row in found.fetchall()]


def allow_anything(conn: Connection[DictRow], table: str) -> None:
    found = conn.execute(
        "select conname from pg_constraint where conrelid = %s::regclass and contype = 'c'", [table]
    ).fetchall()
    for row in found:
        conn.execute(f"alter table {table} drop constraint {row['conname']}")
    if table == "colony_recordings":
        conn.execute(f"alter table {table} alter column position drop identity")


def every_change_of_one_byte_is_found(finished: Finished, table: str, *, roots: bool) -> None:
    """The check: one byte in any column of a row, and the check names the mission and the table."""
    free = FREE["*"] | FREE.get(table, set())
    if TABLES[table].key[:2] == ("revision", "artifact_id"):
        free |= {"status"}
    with finished.db.undone() as conn:
        conn.execute("set local session_replication_role = replica")
        if not roots:
            conn.execute("delete from colony_audit_leaves")
            conn.execute("delete from colony_audit_roots")
        assert not findings(finished, conn, roots=roots)
        allow_anything(conn, table)
        for column, kind in columns(conn, table):
            if column in free or (not roots and column == TABLES[table].mission):
                continue
            place = f"ctid = (select min(ctid) from {table})"
            statement = f"update {table} set {column} = {FLIPS[kind].format(column)} where {place}"
            with conn.transaction(force_rollback=True):
                assert conn.execute(statement).rowcount == 1, f"{table} is empty, which proves nothing"
                found = findings(finished, conn, roots=roots)
                named = {(f.mission_id, f.table) for f in found}
                assert (finished.mission_id, table) in named or table == "colony_missions", f"{table}.{column}: {found}"
                assert found, f"{table}.{column}"


EVERY_BUILD = {"checkpoint_blobs", "colony_approvals", "colony_events", "colony_missions", "colony_model_calls"}


@pytest.mark.parametrize(
    "table", [pytest.param(name, marks=[pytest.mark.long] * (name not in EVERY_BUILD)) for name in sorted(TABLES)]
)
def test_one_byte_changed_in_any_column_of_a_sealed_row_is_found_and_named(finished: Finished, table: str) -> None:
    every_change_of_one_byte_is_found(finished, table, roots=True)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_one_byte_changed_in_a_row_that_no_root_has_sealed_yet_is_found_and_named(
    finished: Finished, table: str
) -> None:
    every_change_of_one_byte_is_found(finished, table, roots=False)


@pytest.mark.parametrize("table", ["colony_model_calls", "checkpoint_blobs", "colony_approvals", "colony_events"])
def test_without_the_rows_hashes_a_change_in_them_is_not_found(
    finished: Finished, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Row, "sha256", property(lambda row: row.kept))
    with pytest.raises(AssertionError):
        every_change_of_one_byte_is_found(finished, table, roots=False)


def rehashed(table: str) -> str:
    return f"update {table} r set row_sha256 = sha256(convert_to({told(TABLES[table])}, 'UTF8'))"


CUT = (
    "delete from colony_events where seq > 60",
    "update colony_missions m set seq = 60, head = e.hash, status = 'running' from colony_events e where e.seq = 60",
)
SAYS = {
    "a-row-changed-with-its-hash": (
        ("update colony_model_calls set cost_usd = cost_usd + 1", rehashed("colony_model_calls")),
        "colony_model_calls",
        "is not what root 1 sealed",
    ),
    "a-checkpoint-changed-with-its-hash": (
        (
            "update checkpoint_blobs set blob = set_byte(blob, 1, get_byte(blob, 1) # 1) where channel = 'plan'",
            rehashed("checkpoint_blobs"),
        ),
        "checkpoint_blobs",
        "is not what root 1 sealed",
    ),
    "a-recorded-text-changed": (
        ("update colony_recorded set content = content || ' '",),
        "colony_recordings",
        "the text of its request was changed",
    ),
    "a-row-gone": (("delete from colony_tool_calls",), "colony_tool_calls", "is gone, which root 1 sealed"),
    "the-tail-cut": (CUT, "colony_events", "the tail was cut: root 1 sealed"),
    "an-event-gone": (("delete from colony_events where seq = 9",), "colony_events", "the event is missing"),
    "the-mission-gone": (
        tuple(f"delete from {table}" for table in sorted(TABLES, reverse=True)),
        "colony_missions",
        "the mission is gone",
    ),
    "the-mission-and-its-root-gone": (
        (
            *(f"delete from {table}" for table in sorted(TABLES, reverse=True)),
            "delete from colony_audit_leaves",
            "delete from colony_audit_roots",
        ),
        "colony_missions",
        "the mission is gone",
    ),
    "a-root-changed": (
        ("update colony_audit_roots set content = set_byte(content, 9, get_byte(content, 9) # 1)",),
        "colony_audit_roots",
        "its signature does not hold",
    ),
    "a-signature-taken-off": (
        ("update colony_audit_roots set signature = null",),
        "colony_audit_roots",
        "is not signed with the key",
    ),
    "a-leaf-changed": (
        ("update colony_audit_leaves set content = content || ' '",),
        "colony_audit_roots",
        "its leaves are not those",
    ),
    "a-list-of-rows-changed": (
        ("update colony_audit_leaves set rows = '[]'",),
        "colony_audit_leaves",
        "the list of rows is not the one",
    ),
}


def what_was_sealed_is_held(finished: Finished, statements: tuple[str, ...], table: str, what: str) -> None:
    """The check: somebody who owns the database makes a change that fits itself, and the roots kept apart show it."""
    with finished.db.undone() as conn:
        conn.execute("set local session_replication_role = replica")
        for statement in statements:
            conn.execute(statement)
        found = findings(finished, conn)
        assert any(f.table == table and what in f.what for f in found), found


@pytest.mark.parametrize(("statements", "table", "what"), SAYS.values(), ids=SAYS)
def test_what_was_sealed_can_t_be_made_to_fit_again(
    finished: Finished, statements: tuple[str, ...], table: str, what: str
) -> None:
    what_was_sealed_is_held(finished, statements, table, what)


@pytest.mark.parametrize("case", ["a-row-changed-with-its-hash", "the-tail-cut", "the-mission-gone"])
def test_without_a_root_what_fits_itself_is_not_found(finished: Finished, case: str) -> None:
    statements, table, what = SAYS[case]
    unsealed = replace(finished, roots=RootFiles(Path("/nonexistent")))
    skipped = ("delete from colony_audit_leaves", "delete from colony_audit_roots")
    with pytest.raises(AssertionError):
        what_was_sealed_is_held(unsealed, (*skipped, *statements), table, what)


def test_without_looking_at_signatures_a_root_without_one_is_not_found(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_broken", lambda *_, **__: ())
    with pytest.raises(AssertionError):
        what_was_sealed_is_held(finished, *SAYS["a-signature-taken-off"])


def test_a_root_of_a_key_that_nobody_named_is_found(finished: Finished) -> None:
    with finished.db.undone() as conn:
        found = findings(finished, conn, key="0" * 64)
        assert {f.what.partition(": ")[2] for f in found} == {"it is not signed with the key that it should be"}


def test_the_quick_check_finds_a_cut_tail_of_what_was_sealed(finished: Finished) -> None:
    with finished.db.undone() as conn:
        conn.execute("set local session_replication_role = replica")
        assert not findings(finished, conn, quick=True)
        for statement in CUT:
            conn.execute(statement)
        assert any("the tail was cut" in f.what for f in findings(finished, conn, quick=True))

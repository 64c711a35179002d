"""The audit of an encrypted database: a byte of any payload that was changed, moved or planted is found and named."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.audit import store
from adapters.postgres.audit.check import check
from adapters.postgres.audit.examine import Finding
from adapters.postgres.audit.rows import TABLES, told
from adapters.postgres.sealed_tables import TABLES as SEALED
from adapters.postgres.vault import Vault
from tests.adapters.postgres.backdoor import stamp
from tests.saboteurs.conftest import KEY, Finished

MARK_AT, KEY_AT, NONCE_AT, TEXT_AT = 1, 5, 15, 30
OTHER = "overlay({0} placing case when substr({0}, 40, 1) = 'x' then 'y' else 'x' end from 40 for 1)"


def bytes_changed(column: str, at: int) -> str:
    return f"set_byte({column}, {at}, get_byte({column}, {at}) # 1)"


def in_json(column: str, path: str) -> str:
    text = f"({column} #>> '{path}')"
    changed = f"to_jsonb({OTHER.format(text)})"
    return changed if path == "{}" else f"jsonb_set({column}, '{path}', {changed})"


PLACES = (MARK_AT, KEY_AT, NONCE_AT, TEXT_AT)


def changes(table: str) -> Iterator[tuple[str, str]]:
    """Give ``where, column = what`` of a byte in each thing that is encrypted in a table, at the places that differ."""
    if table in CHECKPOINTS:
        yield from CHECKPOINTS[table]
        return
    spec = SEALED[table]
    for column in spec.content:
        yield from ((f"length({column}) > 40", f"{column} = {bytes_changed(column, at)}") for at in PLACES)
    for column in spec.values:
        yield f"{column} is not null", f"{column} = {in_json(column, '{}')}"
    for column, copy in spec.copies.items():
        yield f"{copy.of} is not null", f"{column} = {column} || '{{\"x\": 1}}'"
    for column, parts in spec.parts.items():
        for name, kept in parts.items():
            path = f"{{{name},sealed}}" if kept else f"{{{name}}}"
            yield f"{column} #>> '{path}' is not null", f"{column} = {in_json(column, path)}"


BLOBS = [("length(blob) > 40", f"blob = {bytes_changed('blob', at)}") for at in PLACES]
CHECKPOINTS = {
    "checkpoint_blobs": BLOBS,
    "checkpoint_writes": BLOBS,
    "checkpoints": [
        ("true", f"checkpoint = {in_json('checkpoint', '{channel_values,sealed}')}"),
        ("true", 'checkpoint = jsonb_set(checkpoint, \'{versions_seen}\', \'{"x": {"y": "1"}}\')'),
        ("true", f"metadata = {in_json('metadata', '{sealed}')}"),
        ("true", "metadata = jsonb_set(metadata, '{step}', '77')"),
    ],
}


def findings(of: Finished, conn: Connection[DictRow]) -> list[Finding]:
    conn.execute("set local role colony_audit")
    conn.vault = Vault([KEY])  # type: ignore[attr-defined]
    found = check(conn, of.roots, [of.key.public]).findings  # type: ignore[arg-type]
    conn.execute("reset role")
    return found


@contextmanager
def owned(of: Finished) -> Iterator[Connection[DictRow]]:
    """The database in the hands of whoever owns it, without the key; nothing of what they do stays."""
    with of.db.undone() as conn:
        conn.execute("set local session_replication_role = replica")
        yield conn


def every_change_is_named(of: Finished, table: str) -> None:
    """The check: one byte anywhere in what is encrypted of a table, and its mission, table and row are named."""
    tried = 0
    with owned(of) as conn:
        for where, change in changes(table):
            row = f"ctid = (select min(ctid) from {table} where {where})"
            if conn.execute(f"select from {table} where {where}").fetchone() is None:
                continue
            with conn.transaction(force_rollback=True):
                # Without its row's hash as well: what is encrypted proves itself.
                conn.execute(f"update {table} set {change} where {row}")
                conn.execute(f"update {table} r set row_sha256 = sha256(convert_to({told(TABLES[table])}, 'UTF8'))")
                named = {(f.mission_id, f.table) for f in findings(of, conn)}
                assert (of.mission_id, table) in named, change
            tried += 1
    assert tried, f"{table} is empty, which proves nothing"


EVERY_BUILD = {"colony_policy_decisions", "colony_missions", "checkpoint_blobs", "checkpoints", "colony_writebacks"}
NOT_THERE = {"colony_model_calls", "colony_replay_reports"}
ENCRYPTED = sorted(SEALED.keys() & TABLES.keys() - NOT_THERE | CHECKPOINTS.keys())


def test_what_nobody_touched_holds(encrypted: Finished) -> None:
    with owned(encrypted) as conn:
        assert findings(encrypted, conn) == []


@pytest.mark.parametrize(
    "table", [pytest.param(name, marks=[pytest.mark.long] * (name not in EVERY_BUILD)) for name in ENCRYPTED]
)
def test_one_byte_of_anything_encrypted_is_found_and_named(encrypted: Finished, table: str) -> None:
    every_change_is_named(encrypted, table)


@pytest.mark.parametrize("table", ["colony_policy_decisions", "checkpoint_blobs"])
def test_without_opening_what_is_encrypted_a_byte_is_not_found(
    encrypted: Finished, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "faults", lambda *_: {})
    with pytest.raises(AssertionError):
        every_change_is_named(encrypted, table)


SWAPPED = {
    "two-decisions": (
        "colony_policy_decisions",
        "update colony_policy_decisions a set content = b.content from colony_policy_decisions b "
        "where a.artifact_id = (select min(artifact_id) from colony_policy_decisions) "
        "and b.artifact_id = (select max(artifact_id) from colony_policy_decisions)",
    ),
    "a-recorded-text": (
        "colony_recordings",
        "update colony_recorded a set content = b.content from colony_recorded b "
        "where a.sha256 = (select min(sha256) from colony_recorded) "
        "and b.sha256 = (select max(sha256) from colony_recorded)",
    ),
    "a-byte-of-a-recorded-text": (
        "colony_recordings",
        f"update colony_recorded set content = {bytes_changed('content', TEXT_AT)}",
    ),
    "plaintext": (
        "colony_policy_decisions",
        "update colony_policy_decisions set content = '{}', payload = '{}', sha256 = encode(sha256('{}'), 'hex')",
    ),
}


@pytest.mark.parametrize(("table", "statement"), SWAPPED.values(), ids=SWAPPED)
def test_what_was_moved_or_put_there_is_named(encrypted: Finished, table: str, statement: str) -> None:
    with owned(encrypted) as conn:
        conn.execute(statement)
        conn.execute(
            "update colony_policy_decisions r set row_sha256 = "
            f"sha256(convert_to({told(TABLES['colony_policy_decisions'])}, 'UTF8'))"
        )
        assert (encrypted.mission_id, table) in {(f.mission_id, f.table) for f in findings(encrypted, conn)}


def test_a_replay_s_report_may_come_after_the_end(encrypted: Finished) -> None:
    names = {"mission_id": encrypted.mission_id, "payload": Jsonb({})}
    sealed = Vault([KEY]).sealed("colony_replay_reports", "demo", names)
    with encrypted.db.undone() as conn:
        stamp(conn, "demo", encrypted.epoch)
        statement = "insert into colony_replay_reports (mission_id, identical, payload) values (%s, true, %s)"
        conn.execute(statement, [encrypted.mission_id, sealed["payload"]])
        assert findings(encrypted, conn) == []


PRUNED = "update colony_missions set pruned_at = now()"
SAID_TO_BE_PRUNED = {
    "and-is-not": (PRUNED, "has rows of it"),
    "of-what-goes-on": (f"{PRUNED}, status = 'failed'", "and its status is failed"),
    "in-part": (f"{PRUNED}; delete from colony_recordings", "has rows of it"),
}


@pytest.mark.parametrize(("statements", "what"), SAID_TO_BE_PRUNED.values(), ids=SAID_TO_BE_PRUNED)
def test_what_is_said_to_be_pruned_and_is_not_is_named(encrypted: Finished, statements: str, what: str) -> None:
    with owned(encrypted) as conn:
        conn.execute(statements)
        assert any(f.table == "colony_missions" and what in f.what for f in findings(encrypted, conn))


def test_an_event_whose_first_byte_was_changed_is_named_and_not_stumbled_over(encrypted: Finished) -> None:
    with owned(encrypted) as conn:
        conn.execute(f"update colony_events set content = {bytes_changed('content', 0)} where seq = 5")
        conn.vault = Vault([KEY], tolerant=True)  # type: ignore[attr-defined]
        found = check(conn, None, []).findings  # type: ignore[arg-type]
        assert ("colony_events", "5") in {(f.table, f.row) for f in found}

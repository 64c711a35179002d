"""What is decided apart from missions is on record in each tenant's ledger: a change in it is found and named."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from adapters.postgres.audit import check as checking
from adapters.postgres.audit.check import check
from adapters.postgres.audit.examine import Finding
from adapters.postgres.audit.ledgers import KEPT, Kept
from adapters.postgres.audit.store import connected
from adapters.postgres.provision import dsns_for, migrate
from tests.adapters.postgres.backdoor import Backdoor, outcome, stamp
from tests.saboteurs.conftest import Finished
from tests.saboteurs.test_audit import FLIPS, allow_anything, columns

FLIPS = {**FLIPS, "ARRAY": "{0} || '{{x}}'", "uuid": "gen_random_uuid()"}
REFUSED = {"23503", "CO003"}
ROWS = (
    "insert into colony_rule_texts (tenant_id, rules_sha256, content) values ('demo', encode(sha256('x'), 'hex'), 'x') "
    "on conflict do nothing",
    "insert into colony_delegations (delegation_id, tenant_id, actor_id, to_role, expires_at) "
    "values ('d2', 'demo', 'a', 'r', now() + interval '1 day')",
)


def findings(of: Finished, conn: Connection[DictRow]) -> list[Finding]:
    conn.execute("set local role colony_audit")
    found = check(conn, of.roots, [of.key.public]).findings  # type: ignore[arg-type]
    conn.execute("reset role")
    return found


@contextmanager
def owned(of: Finished, *, triggers: bool = False) -> Iterator[Connection[DictRow]]:
    """The database in the hands of whoever owns it; nothing of what they do stays."""
    with of.db.undone() as conn:
        for statement in ROWS:
            conn.execute(statement)
        if not triggers:
            conn.execute("set local session_replication_role = replica")
        yield conn


def every_change_is_named(of: Finished, kept: Kept, *, triggers: bool) -> None:
    """The check: one byte in any column of a row, and the check names the tenant, the table and the row."""
    with owned(of, triggers=triggers) as conn:
        allow_anything(conn, kept.name)
        conn.execute(f"alter table {kept.name} alter column {kept.key[0]} drop identity if exists")
        assert findings(of, conn) == []
        for column, kind in columns(conn, kept.name):
            place = f"ctid = (select min(ctid) from {kept.name})"
            statement = f"update {kept.name} set {column} = {FLIPS[kind].format(column)} where {place}"
            # With the triggers some of it is refused: by a foreign key, or since what is lifted stays so.
            if column in kept.free or (triggers and outcome(conn, statement) in REFUSED):
                continue
            with conn.transaction(force_rollback=True):
                assert conn.execute(statement).rowcount == 1, f"{kept.name} is empty, which proves nothing"
                assert kept.name in {f.table for f in findings(of, conn)}, f"{kept.name}.{column}"


EVERY_BUILD = {("colony_constitutions", False), ("colony_halts", False), ("colony_delegations", True)}
EACH = [(kept, triggers) for kept in KEPT for triggers in (False, True)]


@pytest.mark.parametrize(
    ("kept", "triggers"),
    [
        pytest.param(
            *one,
            id=f"{one[0].name}-{'with' if one[1] else 'past'}-the-triggers",
            marks=[pytest.mark.long] * ((one[0].name, one[1]) not in EVERY_BUILD),
        )
        for one in EACH
    ],
)
def test_one_byte_in_any_column_is_found_and_named(finished: Finished, kept: Kept, triggers: bool) -> None:
    every_change_is_named(finished, kept, triggers=triggers)


def test_without_looking_at_ledgers_no_change_is_found(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "examined", lambda *_: ())
    with pytest.raises(AssertionError):
        every_change_is_named(finished, KEPT[0], triggers=False)


LAST = "seq = (select max(seq) from colony_ledger_entries where tenant_id = 'demo') and tenant_id = 'demo'"
CUT = "delete from colony_halts; delete from colony_ledger_entries where seq > 1 and tenant_id = 'demo'"
SAYS = {
    "a-row-gone": ("delete from colony_halts", "colony_halts", "the row is gone, which entry"),
    "a-halt-put-in": (
        "insert into colony_halts (tenant_id, actor_id, reason) values ('demo', 'eve', 'x')",
        "colony_halts",
        "no entry says that it was written",
    ),
    "a-halt-lifted-no-more": (
        "update colony_halts set lifted_at = null, lifted_by = null",
        "colony_halts",
        "its lifted_",
    ),
    "a-revocation-taken-back": (
        "update colony_delegations set revoked_at = now(), revoked_by = 'eve'",
        "colony_delegations",
        "its revoked_",
    ),
    "an-entry-changed": (
        f"update colony_ledger_entries set content = set_byte(content, 9, get_byte(content, 9) # 1) where {LAST}",
        "colony_ledger_entries",
        "it was changed after it was recorded",
    ),
    "the-last-entry-gone": (
        f"delete from colony_ledger_entries where {LAST}",
        "colony_delegations",
        "no entry says that it was written",
    ),
    "the-tail-cut": (CUT, "colony_ledger_entries", "the tail was cut: root 1 sealed"),
    "the-ledger-gone": (
        "delete from colony_ledger_entries",
        "colony_ledger_entries",
        "the tail was cut: root 1 sealed",
    ),
    "all-of-it-gone": (
        "; ".join(f"delete from {t}" for t in (*(k.name for k in KEPT), "colony_ledger_entries")),
        "colony_ledger_entries",
        "the ledger is gone, of which root 1 sealed",
    ),
}


@pytest.mark.parametrize(("statements", "table", "what"), SAYS.values(), ids=SAYS)
def test_what_was_entered_can_t_be_undone(finished: Finished, statements: str, table: str, what: str) -> None:
    with owned(finished) as conn:
        for statement in statements.split("; "):
            conn.execute(statement)
        found = findings(finished, conn)
        assert any(f.table == table and what in f.what for f in found), found


def test_what_a_service_ends_is_entered_and_holds(finished: Finished) -> None:
    with finished.db.connect() as conn, conn.transaction(force_rollback=True):
        stamp(conn, "demo")
        conn.execute("set local session authorization colony_app")
        conn.execute("insert into colony_halts (actor_id, reason) values ('ann', 'smoke')")
        conn.execute("update colony_halts set lifted_at = now(), lifted_by = 'ben' where lifted_at is null")
        conn.execute("update colony_delegations set revoked_at = now(), revoked_by = 'ann'")
        conn.execute("update colony_api_keys set revoked_at = now(), revoked_by = 'ann'")
        conn.execute("reset session authorization")
        assert findings(finished, conn) == []


def test_a_service_can_t_write_in_a_ledger(finished: Finished) -> None:
    with finished.db.undone() as conn:
        stamp(conn, "demo")
        conn.execute("set local role colony_app")
        for statement in (
            "insert into colony_ledger_entries values ('demo', 99, 'x', 'x', 'x')",
            "update colony_ledger_entries set seq = 0",
            "delete from colony_ledger_entries",
            "select colony_enter('colony_halts', 'halt_id', '', '', '{\"tenant_id\": \"demo\", \"halt_id\": 9}')",
        ):
            assert outcome(conn, statement) == "42501", statement


def test_what_was_put_into_an_ended_mission_is_named(finished: Finished) -> None:
    with owned(finished, triggers=True) as conn:
        stamp(conn, "demo", finished.epoch)
        held = [
            name for name, _ in columns(conn, "colony_policy_decisions") if name not in ("artifact_id", "row_sha256")
        ]
        conn.execute(
            f"insert into colony_policy_decisions (artifact_id, {', '.join(held)}) "
            f"select 'pd_' || repeat('0', 32), {', '.join(held)} from colony_policy_decisions limit 1"
        )
        found = findings(finished, conn)
        assert [(f.mission_id, f.table) for f in found] == [(finished.mission_id, "colony_policy_decisions")]
        assert "put in after root 1" in found[0].what


def test_what_was_there_before_there_were_ledgers_is_entered_as_it_is(database: str) -> None:
    back = Backdoor(database)
    back.run(
        *(f"drop trigger enter on {kept.name}; drop policy audit on {kept.name}" for kept in KEPT),
        "drop table colony_ledger_entries; drop function colony_enter_row(); "
        "drop function colony_enter(text, text, text, text, jsonb)",
        "delete from _yoyo_migration where migration_id = '0033_ledgers'",
        *(row.replace("'demo'", "'acme'") for row in ROWS),
        "insert into colony_api_keys (key_id, tenant_id, name, actor_id, capabilities, secret_sha256, made_by) "
        "values ('ck_1', 'acme', 'ñ', 'ann', '{a,b}', sha256('x'), 'ann')",
        "insert into colony_halts (tenant_id, actor_id, reason) values ('*', 'ann', 'all of it'), ('acme', 'ann', 'x')",
        "insert into colony_rule_sets (tenant_id, version, sha256, content, actor_id) "
        "values ('acme', 1, encode(sha256('{}'), 'hex'), '{}', 'ann')",
    )
    assert migrate(database) == ["0033_ledgers"]
    with connected(dsns_for(database).audit) as conn:
        assert check(conn, None, []).findings == []
        held = conn.execute("select tenant_id, count(*) as n from colony_ledger_entries group by 1").fetchall()
        assert {row["tenant_id"]: row["n"] for row in held if row["tenant_id"] in ("*", "acme")} == {"*": 1, "acme": 6}
    back.run("update colony_halts set lifted_at = now(), lifted_by = 'eve' where tenant_id = '*'")
    with connected(dsns_for(database).audit) as conn:
        assert [(f.tenant_id, f.table) for f in check(conn, None, []).findings] == [("*", "colony_halts")]

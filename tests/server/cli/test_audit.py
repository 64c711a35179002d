"""`colony audit`: what it prints, and how it ends."""

import json
import sys

import psycopg
import pytest

from server.cli.main import _code
from tests.adapters.postgres.stand import open_stand


@pytest.fixture
def colony(database, tmp_path, monkeypatch, capsys):
    """Run a command over the test's database and return its exit code and what it printed."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("COLONY_HOME", str(tmp_path))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["colony", *arguments])
        code = _code()
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


async def test_a_database_is_sealed_and_checked_and_what_was_changed_is_named(colony, database):
    async with open_stand(database) as stand:
        mission_id = await stand.submit()
    code, said = colony("audit", "check")
    assert code == 0
    assert "Nothing has been sealed yet" in said
    code, said = colony("audit", "seal")
    assert code == 0
    key = colony("audit", "key")[1].strip()
    assert f"1 missions, signed with {key}" in said
    assert "Nothing is new" in colony("audit", "seal")[1]
    code, said = colony("audit", "check", "--json")
    found = json.loads(said)
    assert (code, found["ok"], found["missions"], found["unsealed"], found["last"]["number"]) == (0, True, 1, 0, 1)

    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute("update colony_events set actor_id = 'eve'")
    code, said = colony("audit", "check")
    assert code == 1
    assert f"DOES NOT HOLD (1 findings): mission {mission_id} colony_events 1: it is not what was written" in said
    assert colony("audit", "check", "--key", "0" * 64)[0] == 1
    assert colony("audit", "check", "--key", "mine")[0] == 2


async def test_production_without_a_key_signs_no_root_and_says_so(colony, database, monkeypatch):
    async with open_stand(database) as stand:
        await stand.submit()
    monkeypatch.setenv("COLONY_DEPLOYMENT_MODE", "production")
    assert "NOT signed: set COLONY_AUDIT_KEY_FILE" in colony("audit", "seal")[1]
    code, said = colony("audit", "check")
    assert code == 0
    assert "note: 1 roots in the database are not signed" in said
    code, said = colony("audit", "key")
    assert (code, "signs no roots" in said) == (2, True)

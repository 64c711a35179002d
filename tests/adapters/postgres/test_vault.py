"""The vault: what was sealed in one row opens in that row and in no other, whatever the table."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from adapters.postgres import vault as vault_module
from adapters.postgres.sealed_tables import TABLES
from adapters.postgres.vault import MARK, SEALED, Vault
from contracts.errors import IntegrityBroken, KeyMissing

KEY, NEXT = bytes(range(32)), bytes(range(1, 33))
SAID = {"said": "12 Harbour Lane", "verdict": "approved", "stage": "planner", "code": "c"}
CONTENT = b'{"said":"12 Harbour Lane","verdict":"approved","stage":"planner","code":"c"}'


def given(table: str) -> dict[str, Any]:
    """Return a row of a table with something in every column that is sealed."""
    spec = TABLES[table]
    row: dict[str, Any] = dict.fromkeys(spec.key, "k")
    row |= dict.fromkeys(spec.content, CONTENT) | dict.fromkeys(spec.texts, "12 Harbour Lane")
    row |= {name: Jsonb(SAID) for name in (*spec.values, *spec.copies)}
    row |= {name: Jsonb(dict.fromkeys(parts, SAID)) for name, parts in spec.parts.items()}
    return row


def stored(table: str, vault: Vault) -> dict[str, Any]:
    """Return a row as the database gives it back."""
    return {k: v.obj if isinstance(v, Jsonb) else v for k, v in vault.sealed(table, "demo", given(table)).items()}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.obj if isinstance(v, Jsonb) else v for k, v in row.items()}


def code_of(vault: Vault, table: str, row: dict[str, Any], tenant_id: str = "demo") -> str:
    try:
        vault.opened(table, tenant_id, row)
    except (IntegrityBroken, KeyMissing) as exc:
        return exc.code
    return "opened"


@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_opened_as_it_was_given_and_says_nothing_meanwhile(table: str) -> None:
    row = stored(table, Vault([KEY]))
    assert "Harbour" not in str(row)
    assert Vault([NEXT, KEY]).opened(table, "demo", row) == plain(given(table))


def a_row_opens_in_its_place_only(table: str) -> None:
    """The check: no other row's, column's, tenant's or table's value is taken for this one's."""
    vault, spec = Vault([KEY]), TABLES[table]
    row = stored(table, vault)
    codes = {f"another {name}": code_of(vault, table, {**row, name: "other"}) for name in spec.key}
    codes["another tenant"] = code_of(vault, table, row, "other")
    for first, second in zip(spec.content, spec.content[1:], strict=False):
        codes[f"{second} for {first}"] = code_of(vault, table, {**row, first: row[second]})
    assert set(codes.values()) == {"payload_tampered"}, codes


@pytest.mark.parametrize("table", TABLES)
def test_a_row_opens_in_its_place_only(table: str) -> None:
    a_row_opens_in_its_place_only(table)


def test_without_the_associated_data_it_opens_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_module, "_bound", lambda *_: b"")
    for table in TABLES:
        with pytest.raises(AssertionError):
            a_row_opens_in_its_place_only(table)


def plaintext_does_not_open(table: str, vault: Vault) -> None:
    """The check: of a row of which any column is in plaintext nothing is read."""
    row, bare = stored(table, Vault([KEY])), plain(given(table))
    spec = TABLES[table]
    columns = (*spec.content, *spec.values, *spec.parts, *spec.texts)
    codes = {name: code_of(vault, table, {**row, name: bare[name]}) for name in columns}
    assert set(codes.values()) <= {"payload_not_encrypted", "payload_tampered"}, codes


@pytest.mark.parametrize("table", TABLES)
def test_plaintext_does_not_open(table: str) -> None:
    plaintext_does_not_open(table, Vault([KEY]))


@pytest.mark.parametrize("table", [name for name, spec in TABLES.items() if not spec.texts])
def test_a_tolerant_vault_opens_plaintext(table: str) -> None:
    with pytest.raises(AssertionError):
        plaintext_does_not_open(table, Vault([KEY], tolerant=True))


@pytest.mark.parametrize("table", TABLES)
def test_only_the_key_opens(table: str) -> None:
    assert code_of(Vault([NEXT]), table, stored(table, Vault([KEY]))) == "encryption_key_missing"


def test_a_process_without_a_key_stores_what_it_is_given_and_opens_nothing_sealed() -> None:
    bare = Vault()
    for table in TABLES:
        assert plain(bare.sealed(table, "demo", given(table))) == plain(given(table))
        assert bare.opened(table, "demo", plain(given(table))) == plain(given(table))
        if not TABLES[table].texts:
            assert code_of(bare, table, stored(table, Vault([KEY]))) == "encryption_key_missing"


@pytest.mark.parametrize(
    "bad", [MARK, MARK + b"\0" * 7, MARK + b"\0" * 8, MARK + bytes(19), Vault([KEY]).prefix + b"x"]
)
def test_what_is_cut_short_does_not_open(bad: bytes) -> None:
    row = {"mission_id": "m", "seq": 1, "content": bad}
    assert code_of(Vault([KEY]), "colony_events", row) in {"payload_tampered", "encryption_key_missing"}


def test_the_same_text_is_sealed_otherwise_each_time() -> None:
    first, second = (stored("colony_missions", Vault([KEY])) for _ in range(2))
    assert first["payload"]["failure"][SEALED] != second["payload"]["failure"][SEALED]
    assert first["payload"]["failure"]["code"] == "c"

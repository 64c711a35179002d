"""A sealed bundle: whatever is changed in it and made to fit again, a root's signature shows it, offline."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.postgres.pools import open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.reader import MissionReader
from adapters.postgres.secrets import read_secrets
from contracts.canonical import canonical_bytes, sha256_hex
from server.bundle import make_bundle
from server.verify import CHECKS, render, roots, verify_bundle, verify_bytes
from server.verify.ed25519 import verified
from tests.saboteurs.conftest import Finished
from tests.server.verify.forge import Files, chances, changed, files_of, lines, put_lines, sealed

OLD = Path(__file__).parents[1] / "corpus" / "2026-11-21.bundle.zip"


async def _bundle(finished: Finished) -> bytes:
    key = read_secrets(finished.db.dsn).tenants
    pool = await open_pool(dsns_for(finished.db.dsn).app, name="bundle", most=1, tenants=key, least=0)
    try:
        return await make_bundle(MissionReader(pool), "demo", finished.mission_id)
    finally:
        await pool.close()


@pytest.fixture(scope="module")
def bundle(finished: Finished) -> bytes:
    return asyncio.run(_bundle(finished))


@pytest.fixture
def files(bundle: bytes) -> Files:
    return files_of(bundle)


def test_a_sealed_bundle_is_proven_by_the_key_that_signed_its_root(bundle: bytes, finished: Finished) -> None:
    report = verify_bytes(bundle, keys=[finished.key.public])
    assert report.ok, render(report)
    said = {check.name: check.detail for check in report.checks}
    assert said["sealed"].startswith("sealed to its end by root 1 of 2")
    assert said["sealed"].endswith("signed with a key that you named")
    assert int(said["rows"].split()[0]) > 70
    assert said["rulebook"].startswith("1 of the 1 rule sets")
    assert "which you did not name" in verify_bytes(bundle).checks[-1].detail


def test_another_key_s_bundle_is_not_believed(bundle: bytes, files: Files) -> None:
    assert "not signed with a key that you named" in verify_bytes(bundle, keys=["0" * 64]).checks[-1].detail
    other = Ed25519PrivateKey.generate()

    def resign(row: dict[str, Any]) -> None:
        row["signature"] = other.sign(row["root"].encode()).hex()

    changed(files, "roots.jsonl", resign, 0)
    assert "its signature does not hold" in verify_bytes(sealed(files)).checks[-1].detail


@pytest.mark.parametrize("told", ["", "sealed"])
def test_a_row_that_was_put_in_after_the_end_was_sealed_is_found(files: Files, finished: Finished, told: str) -> None:
    rows = lines(files, "rows.jsonl")
    one = next(row for row in rows if row["table"] == "colony_pass_seals")
    said = json.loads(one["told"]) | {"pass_id": "lp_0", "signature": told}
    put_lines(
        files,
        "rows.jsonl",
        sorted([*rows, {**one, "key": "0", "told": json.dumps(said)}], key=lambda row: (row["table"], row["key"])),
    )
    report = verify_bytes(sealed(files), keys=[finished.key.public])
    assert report.first_failure is not None, "it got through"
    assert report.first_failure.name == "sealed"
    assert "was put in after root 1 sealed" in report.first_failure.detail


def test_a_moment_has_one_spelling(files: Files, finished: Finished) -> None:
    changed(files, "model_calls.jsonl", lambda line: line.update(created_at=line["created_at"].replace("T", "U")), 0)
    report = verify_bytes(sealed(files), keys=[finished.key.public])
    assert report.first_failure is not None, "it got through"
    assert "is not spelled as a moment is" in report.first_failure.detail


FREE = {
    # What changes while nothing happens, and what is counted from the calls.
    *(("mission.json", name) for name in ("stage", "usage.tokens_in", "usage.tokens_out", "usage.model_calls")),
    ("mission.json", "usage.cost_usd"),
    ("writebacks.jsonl", "updated_at"),
    # Its text has the hash that decisions name; nobody knows a key here that its signature could be held against, but
    # for its spelling, which is base64's own.
    ("constitutions.jsonl", "key_id"),
}


def fields(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key in value:
            yield from fields(value[key], (*at, key))
    elif isinstance(value, list):
        if value:
            yield from fields(value[0], (*at, 0))
    else:
        yield at


def bent(value: Any) -> Any:
    """Return another value of the type, and of the form where it has one."""
    if isinstance(value, bool) or value is None:
        return value is not True
    if isinstance(value, int | float):
        return value + 1
    if not value:
        return "x"
    last = value[-2:-1] or value
    return value[:-2] + ("1" if last != "1" else "2") + value[-1] if len(value) > 1 else value + "x"


def unseen_changes(files: Files, key: str, step: int = 1) -> set[tuple[str, str]]:
    """Change each field of the first line of each file, with the manifest made to fit; every ``step``-th is tried."""
    unseen, number = set(), 0
    for name in sorted(files):
        if name.startswith("artifacts/") or name == "manifest.json" or not files[name]:
            continue
        first = json.loads(files[name].split(b"\n")[0])
        for at in fields(first):
            number += 1
            if number % step:
                continue
            forged = dict(files)
            value = json.loads(files[name].split(b"\n")[0])
            inner = value
            for part in at[:-1]:
                inner = inner[part]
            inner[at[-1]] = bent(inner[at[-1]])
            rest = files[name].partition(b"\n")[2]
            forged[name] = canonical_bytes(value) + (b"\n" + rest if name.endswith("l") else b"")
            if verify_bytes(sealed(forged), keys=[key]).ok:
                unseen.add((name, ".".join(map(str, at))))
    return unseen


def test_fields_are_covered(files: Files, finished: Finished) -> None:
    assert unseen_changes(files, finished.key.public, 6) <= FREE


@pytest.mark.long
def test_every_field_is_covered(files: Files, finished: Finished) -> None:
    assert unseen_changes(files, finished.key.public) == FREE


COST = '"cost_usd" : "0.000000"'


def dearer(files: Files) -> None:
    """Make a model call dearer, in its record and in its row."""
    changed(files, "model_calls.jsonl", lambda row: row.update(cost_usd="9.000000"), 0)
    call = lines(files, "model_calls.jsonl")[0]["call_id"]
    rows = lines(files, "rows.jsonl")
    row = next(r for r in rows if r["key"] == call and r["table"] == "colony_model_calls")
    row["told"] = row["told"].replace(COST, COST.replace("0.", "9."))
    put_lines(files, "rows.jsonl", rows)


def without_a_row(files: Files) -> None:
    put_lines(files, "rows.jsonl", [r for r in lines(files, "rows.jsonl") if r["table"] != "colony_pass_seals"])


def listed_anew(files: Files) -> None:
    dearer(files)
    rows = {(r["table"], r["key"]): sha256_hex(r["told"].encode()) for r in lines(files, "rows.jsonl")}

    def relist(line: dict[str, Any]) -> None:
        old = json.loads(line["rows"])
        line["rows"] = canonical_bytes([[t, k, rows.get((t, k), sha)] for t, k, sha in old]).decode()
        leaf = json.loads(line["leaf"])
        line["leaf"] = canonical_bytes(leaf | {"rows_sha256": sha256_hex(line["rows"].encode())}).decode()

    changed(files, "roots.jsonl", relist, 0)


def unsealed(files: Files) -> None:
    put_lines(files, "roots.jsonl", [])


def of_before(files: Files) -> None:
    for name in ("rows", "roots", "rules"):
        del files[f"{name}.jsonl"]
    changed(files, "manifest.json", lambda manifest: manifest.update(format="colony-bundle/1"))


FORGED: dict[str, tuple[Callable[[Files], None], str]] = {
    "a-dearer-call": (dearer, "is not what root 1 sealed"),
    "a-row-left-out": (without_a_row, "sealed a row of colony_pass_seals that the bundle does not hold"),
    "the-seal-made-to-fit": (listed_anew, "is not under its signature"),
    "the-seal-left-out": (unsealed, "no root has sealed this mission"),
    "the-form-of-before": (of_before, "no root has sealed this mission"),
}


def a_forgery_that_fits_itself_is_found(files: Files, forge: Callable[[Files], None], says: str, key: str) -> None:
    """The check: it verifies where nobody names a key, if at all; and not where somebody does."""
    forge(files)
    failure = verify_bytes(sealed(files), keys=[key]).first_failure
    assert failure is not None
    assert says in failure.detail


@pytest.mark.parametrize(("forge", "says"), FORGED.values(), ids=FORGED)
def test_a_forgery_that_fits_itself_is_found(
    files: Files, forge: Callable[[Files], None], says: str, finished: Finished
) -> None:
    a_forgery_that_fits_itself_is_found(files, forge, says, finished.key.public)


@pytest.mark.parametrize(
    ("case", "part"), [("a-dearer-call", "_rows"), ("the-seal-left-out", "sealed"), ("the-form-of-before", "sealed")]
)
def test_without_the_roots_it_is_not(
    files: Files, case: str, part: str, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roots, part, lambda *_: "")
    monkeypatch.setitem(cast("dict[str, Any]", CHECKS), "sealed", roots.sealed)
    with pytest.raises(AssertionError):
        a_forgery_that_fits_itself_is_found(files, *FORGED[case], finished.key.public)


def test_one_byte_changed_anywhere_in_the_file_is_found(bundle: bytes) -> None:
    start, step = chances(11).randrange(500), len(bundle) // 400
    for at in range(start, len(bundle), step):
        assert not verify_bytes(bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :]).ok, at


def test_a_bundle_of_the_form_before_verifies_and_is_proven_by_nobody() -> None:
    report = verify_bundle(OLD)
    assert report.ok, render(report)
    assert "who made the bundle is not proven" in report.checks[-1].detail


RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0"
        "85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac1"
        "8ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""The first three of section 7.1: public key, message, signature."""


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032, ids=["empty", "one-byte", "two-bytes"])
def test_signatures_are_verified_as_the_standard_s_own_are(public: str, message: str, signature: str) -> None:
    key, said, made = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert verified(key, said, made)
    assert not verified(key, said + b"x", made)
    for at in (0, 31, 32, 63):
        assert not verified(key, said, made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :])


def test_signatures_are_verified_as_another_implementation_makes_them() -> None:
    chance = chances(7)
    for size in (0, 1, 33, 1_000):
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        said = chance.randbytes(size)
        made, public = key.sign(said), key.public_key().public_bytes_raw()
        assert verified(public, said, made)
        order = 2**252 + 27742317777372353535851937790883648493
        again = made[:32] + (int.from_bytes(made[32:], "little") + order).to_bytes(32, "little")
        assert not verified(public, said, again), "a second signature for the same message"

"""A bundle's constitution: named by each decision, signed, and kept to; the signature by the standard library alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.postgres.reader import MissionRecord
from adapters.postgres.secrets import read_secrets
from contracts.canonical import canonical_bytes, sha256_hex
from graph.constitution import SIGNED_AS, key_id, raw
from policies.constitution import SHIPPED, developers
from server.bundle import packed
from server.constitution import own_key
from server.verify import Report, verify_bytes
from server.verify.ed25519 import verified
from tests.constitution import SIGNER, activate, next_version
from tests.graph.lab import open_lab
from tests.people import open_company

KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()
# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_standard_s_own_signatures_verify_and_no_other(vector: tuple[str, str, str]) -> None:
    public, message, signature = (bytes.fromhex(part) for part in vector)
    assert verified(public, message, signature)
    assert not verified(public, message + b"x", signature)
    for at in (0, 31, 32, 63):
        flipped = bytes([*signature[:at], signature[at] ^ 1, *signature[at + 1 :]])
        assert not verified(public, message, flipped)
    high = (int.from_bytes(signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493) % 2**256
    assert not verified(public, message, signature[:32] + high.to_bytes(32, "little"))
    assert not verified(b"\xff" * 32, message, signature)
    assert not verified(public, message, signature[:63])


def test_it_agrees_with_the_library() -> None:
    for length in (0, 1, 64, 1_000):
        message = bytes(range(256)) * 4
        signature = KEY.sign(message[:length])
        assert verified(raw(KEY), message[:length], signature)
        assert not verified(raw(OTHER), message[:length], signature)


@pytest_asyncio.fixture
async def record(database: str, tmp_path: Path) -> MissionRecord:
    """A mission that two constitutions were in force for."""
    async with open_lab(database, tmp_path) as lab:
        await lab.service.seed_lead()
        mission_id = (await lab.mission())["mission_id"]
        second = next_version(developers(alone=True), {"high_risk_people": 2})
        await activate(database, second, own_key(read_secrets(database)))
        assert (await lab.approved(mission_id))["status"] == "completed"
        return await lab.colony.reader.record("demo", mission_id)


def known(record: MissionRecord, database: str) -> dict[str, bytes]:
    public = raw(own_key(read_secrets(database)))
    return {key_id(public): public}


def said(report: Report, check: str = "constitution") -> tuple[bool, str]:
    found = next(c for c in report.checks if c.name == check)
    return found.ok, found.detail


def resigned(record: MissionRecord, key: Ed25519PrivateKey, **changes: Any) -> None:
    row = record.constitutions[0]
    row["signature"] = key.sign(SIGNED_AS + bytes(row["content"]))
    row.update(changes)


async def test_a_bundle_s_constitutions_are_verified(record: MissionRecord, database: str) -> None:
    keys = known(record, database)
    (public,) = keys.values()
    assert len(record.constitutions) == 2
    assert verify_bytes(packed(record, keys)).ok
    trusted = verify_bytes(packed(record, keys), (public,))
    assert (trusted.ok, "a key you trust" in said(trusted)[1]) == (True, True)
    assert "give --constitution-key" in said(verify_bytes(packed(record)))[1]
    stranger = verify_bytes(packed(record, keys), (raw(OTHER),))
    assert (stranger.ok, said(stranger)[0]) == (False, False)

    resigned(record, OTHER)
    assert not said(verify_bytes(packed(record, keys)))[0]
    resigned(record, OTHER, key_id=key_id(raw(OTHER)))
    forged = packed(record, {**keys, key_id(raw(OTHER)): raw(OTHER)})
    assert verify_bytes(forged).ok, "by the key in the bundle alone, this can't be told"
    assert not verify_bytes(forged, (public,)).ok

    row = record.constitutions[0]
    content = bytes(row["content"]).replace(b"Nobody changes", b"Anybody may")
    row["content"] = content
    assert "another hash" in said(verify_bytes(packed(record, keys)))[1]
    row["sha256"] = sha256_hex(content)
    assert "not those" in said(verify_bytes(packed(record, keys)))[1]
    del record.constitutions[0]
    assert not said(verify_bytes(packed(record, keys)))[0]


async def test_what_was_let_through_beyond_a_limit_is_named(record: MissionRecord, database: str) -> None:
    """A decision whose constitution did not allow the change can only be a forger's: of both, and consistently."""

    row = record.constitutions[0]
    was = row["sha256"]
    document = json.loads(bytes(row["content"]))
    document["limits"]["effects"] = ["task"]
    row["content"] = canonical_bytes(document)
    row["sha256"] = sha256_hex(row["content"])
    key = own_key(read_secrets(database))
    row["signature"] = key.sign(SIGNED_AS + row["content"])
    for artifact in record.artifacts:
        artifact["content"] = bytes(artifact["content"]).replace(was.encode(), row["sha256"].encode())
    ok, detail = said(verify_bytes(packed(record, known(record, database))))
    assert (ok, "did not allow this kind of change" in detail) == (False, True)


async def test_as_many_people_agree_as_the_constitution_asks_for_and_the_bundle_says_so(
    database: str, tmp_path: Path
) -> None:
    async with open_company(database, tmp_path) as company:
        await activate(database, next_version(SHIPPED, {"high_risk_people": 3}), SIGNER)
        mission_id = await company.asks()
        for person in ("bob", "cyd", "dan"):
            assert (await company.get(f"/missions/{mission_id}", "ada"))["status"] == "awaiting_approval", person
            assert (await company.answers(mission_id, person)).status_code == 202
        assert (await company.runs(mission_id))["status"] == "completed"
        record = await company.lab.colony.reader.record("acme", mission_id)
    report = verify_bytes(packed(record), (raw(SIGNER),))
    assert report.ok, said(report, "people")

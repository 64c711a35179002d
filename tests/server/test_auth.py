"""Who gets in: tokens that hold, tokens that don't, and programs on this machine in developer modes."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Request

from contracts.errors import SettingInvalid, Unauthenticated
from server.principal import CAPABILITIES, Gatekeeper, Principal
from server.settings import load_settings
from tests.server.tokens import Issuer
from tests.support import GOAL, Service

API = "/api/colony"
BODY = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
NOW = int(time.time())
ISSUER = Issuer()


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(algorithm: str = "none") -> str:
    return f"{encoded({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{encoded(ISSUER.claims())}."


def confused() -> str:
    """A token signed by HMAC with the public key as the secret, as if it were shared."""
    secret = ISSUER.by_rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'})}.{encoded(ISSUER.claims())}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def tampered() -> str:
    head, _, signature = ISSUER.token().split(".")
    return f"{head}.{encoded(ISSUER.claims(tenant='umbrella'))}.{signature}"


def strangers(kid: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(ISSUER.claims(), key, "RS256", {"kid": kid})


def twice() -> str:
    """A token that names two tenants, signed: which one counts would be each reader's own choice."""
    head = encoded({"alg": "RS256", "typ": "JWT", "kid": "rsa"})
    claims = json.dumps(ISSUER.claims())[:-1] + ', "tenant": "umbrella"}'
    body = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    signature = ISSUER.by_rsa.sign(f"{head}.{body}".encode(), PKCS1v15(), SHA256())
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def own_key() -> str:
    """A token that brings the key it is signed by."""
    key = rsa.generate_private_key(65537, 2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(ISSUER.claims(), key, "RS256", {"kid": "rsa", "jwk": public})


def headed(**more: Any) -> str:
    return ISSUER.signed(ISSUER.claims(), {"kid": "rsa", **more})


def deep() -> str:
    head = base64.urlsafe_b64encode(b"[" * 6_000).decode().rstrip("=")
    return f"{head}.{encoded({})}.x"


BAD = {
    "unsigned": unsigned(),
    "unsigned-in-capitals": unsigned("NONE"),
    "hmac-with-the-public-key": confused(),
    "tampered": tampered(),
    "unknown-kid": strangers("other"),
    "known-kid-other-key": strangers("rsa"),
    "no-kid": jwt.encode(ISSUER.claims(), ISSUER.by_rsa, "RS256"),
    "key-of-another-kind": jwt.encode(ISSUER.claims(), ISSUER.by_rsa, "RS256", {"kid": "ed"}),
    "another-algorithm": jwt.encode(ISSUER.claims(), ISSUER.by_rsa, "PS256", {"kid": "rsa"}),
    "wrong-audience": ISSUER.token(aud="elsewhere"),
    "wrong-issuer": ISSUER.token(iss="https://evil.example"),
    "expired": ISSUER.token(exp=NOW - 1),
    "not-yet": ISSUER.token(nbf=NOW + 86_400),
    "from-the-future": ISSUER.token(iat=NOW + 86_400),
    "no-expiry": ISSUER.token(exp=None),
    "no-issuer": ISSUER.token(iss=None),
    "no-audience": ISSUER.token(aud=None),
    "no-subject": ISSUER.token(sub=None),
    "no-tenant": ISSUER.token(tenant=None),
    "tenant-no-text": ISSUER.token(tenant=["acme"]),
    "tenant-with-a-nul": ISSUER.token(tenant="ac\x00me"),
    "tenant-of-a-path": ISSUER.token(tenant="../acme"),
    "subject-of-controls": ISSUER.token(sub="ada\n"),
    "capabilities-no-list": ISSUER.token(capabilities="mission:read"),
    "deep-header": deep(),
    "garbage": "a.b.c",
    "no-dots": "token",
    "jku": headed(jku="https://evil.example/jwks.json"),
    "x5u": headed(x5u="https://evil.example/cert.pem"),
    "x5c": headed(x5c=["MIIB"]),
    "its-own-key": own_key(),
    "its-own-key-beside-the-right-signature": headed(jwk={"kty": "oct", "k": "c2VjcmV0"}),
    "critical": headed(crit=["b64"], b64=True),
    "kid-a-path": ISSUER.signed(ISSUER.claims(), {"kid": "../../dev/null"}),
    "huge": ISSUER.token(padding="x" * 10_000),
    "two-tenants": twice(),
    "not-before-missing": ISSUER.token(nbf=None),
    "no-token-id": ISSUER.token(jti=None),
    "token-id-no-text": ISSUER.token(jti=7),
    "token-id-empty": ISSUER.token(jti=""),
    "just-expired": ISSUER.token(exp=NOW),
    "expiry-no-number": ISSUER.token(exp="tomorrow"),
    "expiry-in-a-text": ISSUER.token(exp=str(NOW + 600)),
    "expiry-not-a-number": ISSUER.token(exp=float("nan")),
    "expiry-true": ISSUER.token(exp=True),
    "begin-in-a-text": ISSUER.token(nbf=str(NOW - 10)),
    "issued-in-a-text": ISSUER.token(iat=str(NOW - 10)),
    "expiry-without-end": ISSUER.token(exp=float("inf")),
    "roles-no-list": ISSUER.token(roles="admin"),
    "a-key-that-nobody-made": "ck_0123456789abcdef_" + "x" * 43,
}


def gatekeeper(folder: Path, **changes: str) -> Gatekeeper:
    return Gatekeeper(load_settings(**{**ISSUER.settings(folder), **changes}))


def asks(gate: Gatekeeper, *, client: str = "127.0.0.1", **headers: str) -> Principal:
    sent = {"host": "127.0.0.1:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()]
    return asyncio.run(gate.principal(Request({"type": "http", "client": (client, 5), "headers": raw})))


@pytest.mark.parametrize("kid", ["rsa", "ed"])
def test_a_good_token_says_who_asks(tmp_path: Path, kid: str) -> None:
    token = ISSUER.token(kid, capabilities=["mission:read", "world:rule", 5])
    who = asks(gatekeeper(tmp_path), authorization=f"bearer  {token} ")
    assert who == Principal("acme", "ada", frozenset({"mission:read"}), frozenset({"agent"}))


@pytest.mark.parametrize(
    ("claims", "held"),
    [
        pytest.param({"roles": ["viewer"]}, {"mission:read"}, id="a-role"),
        pytest.param({"roles": ["viewer", "approver"]}, {"mission:read", "mission:approve"}, id="two-roles"),
        pytest.param({"roles": ["admin"]}, CAPABILITIES, id="admin"),
        pytest.param({"roles": ["Admin", "root", "*", 5]}, set(), id="roles-that-nobody-knows"),
        pytest.param({"roles": ["admin"], "capabilities": ["mission:read"]}, {"mission:read"}, id="narrowed"),
        pytest.param({"roles": ["admin"], "capabilities": []}, set(), id="narrowed-to-nothing"),
        pytest.param({"roles": None}, set(), id="neither"),
    ],
)
def test_roles_stand_for_capabilities_where_a_token_names_none(tmp_path: Path, claims: dict[str, Any], held) -> None:
    token = ISSUER.token(**{"capabilities": None, **claims})
    assert asks(gatekeeper(tmp_path), authorization=f"Bearer {token}").capabilities == held


def test_an_issuer_s_clock_may_be_a_little_ahead(tmp_path: Path) -> None:
    now = int(time.time())
    token = ISSUER.token(nbf=now + 3, iat=now + 3)
    assert asks(gatekeeper(tmp_path), authorization=f"Bearer {token}").actor_id == "ada"


def test_two_authorization_headers_are_refused(tmp_path: Path) -> None:
    sent = [(b"host", b"127.0.0.1"), *[(b"authorization", f"Bearer {ISSUER.token()}".encode())] * 2]
    with pytest.raises(Unauthenticated):
        asyncio.run(
            gatekeeper(tmp_path).principal(Request({"type": "http", "client": ("127.0.0.1", 5), "headers": sent}))
        )


def test_keys_are_read_anew_when_their_file_changes(tmp_path: Path) -> None:
    gate, successor = gatekeeper(tmp_path), Issuer()
    old, new = f"Bearer {ISSUER.token()}", f"Bearer {successor.token()}"
    assert asks(gate, authorization=old).actor_id == "ada"
    with pytest.raises(Unauthenticated):
        asks(gate, authorization=new)
    successor.settings(tmp_path)
    assert asks(gate, authorization=new).actor_id == "ada"
    with pytest.raises(Unauthenticated):
        asks(gate, authorization=old)
    (tmp_path / "jwks.json").write_text("half a fi")
    assert asks(gate, authorization=new).actor_id == "ada", "a file that can't be read changes nothing"
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    with pytest.raises(Unauthenticated):
        asks(gate, authorization=new)


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_does_not_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unauthenticated):
        asks(gatekeeper(tmp_path), authorization=f"Bearer {BAD[name]}")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Basic YTpi", "x", "Bearer\t"])
def test_what_is_no_bearer_token_is_refused_even_on_loopback(tmp_path: Path, given: str) -> None:
    with pytest.raises(Unauthenticated):
        asks(gatekeeper(tmp_path, COLONY_DEPLOYMENT_MODE="developer-light"), authorization=given)


LOCAL = {
    "plain": ({}, True),
    "by-name": ({"host": "localhost:8080"}, True),
    "by-ipv6": ({"host": "[::1]:8080"}, True),
    "a-local-page": ({"origin": "http://localhost:3000"}, True),
    "rebound-name": ({"host": "evil.example"}, False),
    "no-host": ({"host": ""}, False),
    "name-that-begins-alike": ({"host": "127.0.0.1.evil.example"}, False),
    "web-page": ({"origin": "https://evil.example"}, False),
    "sandboxed-page": ({"origin": "null"}, False),
    "x-forwarded-for": ({"x_forwarded_for": "127.0.0.1"}, False),
    "x-forwarded-host": ({"x_forwarded_host": "localhost"}, False),
    "x-real-ip": ({"x_real_ip": "127.0.0.1"}, False),
    "forwarded": ({"forwarded": "for=127.0.0.1"}, False),
    "via": ({"via": "1.1 proxy"}, False),
}


@pytest.mark.parametrize("mode", ["developer-light", "test", "test-debug"])
@pytest.mark.parametrize("name", LOCAL)
def test_in_developer_modes_a_program_on_this_machine_needs_no_token(tmp_path: Path, mode: str, name: str) -> None:
    headers, let_in = LOCAL[name]
    gate = gatekeeper(tmp_path, COLONY_DEPLOYMENT_MODE=mode)
    if let_in:
        assert asks(gate, **headers) == Principal("demo", "developer", CAPABILITIES, local=True)
    else:
        with pytest.raises(Unauthenticated):
            asks(gate, **headers)


@pytest.mark.parametrize("host", ["192.168.1.5", "10.0.0.1", "::ffff:10.0.0.1", "testclient"])
def test_another_machine_needs_a_token_in_every_mode(tmp_path: Path, host: str) -> None:
    with pytest.raises(Unauthenticated):
        asks(gatekeeper(tmp_path, COLONY_DEPLOYMENT_MODE="developer-light"), client=host)


@pytest.mark.parametrize("mode", ["production", "production-debug", "developer-full"])
def test_in_the_other_modes_loopback_is_not_enough(tmp_path: Path, mode: str) -> None:
    with pytest.raises(Unauthenticated):
        asks(gatekeeper(tmp_path, COLONY_DEPLOYMENT_MODE=mode))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{}", id="no-keys"),
        pytest.param("[]", id="no-object"),
        pytest.param("not json", id="no-json"),
        pytest.param('{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}', id="a-shared-secret"),
    ],
)
def test_a_key_file_without_a_public_key_stops_the_start(tmp_path: Path, content: str) -> None:
    settings = ISSUER.settings(tmp_path)
    Path(settings["JWT_JWKS_FILE"]).write_text(content)
    with pytest.raises(SettingInvalid, match="JWT_JWKS_FILE"):
        Gatekeeper(load_settings(**settings))


@pytest.mark.parametrize("missing", ["JWT_ISSUER", "JWT_AUDIENCE"])
def test_keys_without_an_issuer_or_audience_stop_the_start(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingInvalid, match=missing):
        gatekeeper(tmp_path, **{missing: ""})


async def test_production_asks_everybody_for_a_token(serve, tmp_path: Path) -> None:
    service: Service = await serve(**ISSUER.settings(tmp_path))
    for path in ("/missions", "/missions/x", "/approvals", "/missions/x/events"):
        answer = await service.client.get(API + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    submitted = await service.client.post(f"{API}/missions", content=b"not even json")
    assert submitted.status_code == 401
    for path in ("/health", "/health/ready", "/metrics"):
        assert (await service.client.get(API + path)).status_code == 200, path
    made = await service.client.post(f"{API}/missions", json=BODY, headers=ISSUER.bearer())
    assert made.status_code == 202
    mission = (await service.client.get(made.headers["Location"], headers=ISSUER.bearer())).json()
    assert (mission["envelope"]["tenant_id"], mission["envelope"]["actor_id"]) == ("acme", "ada")


NEEDED = {
    "mission:submit": [("POST", "/missions")],
    "mission:read": [
        ("GET", "/missions"),
        ("GET", "/approvals"),
        *(("GET", f"/missions/x{p}") for p in ("", "/artifacts", "/events", "/bundle", "/checkpoints", "/diff")),
        ("GET", "/missions/x/checkpoints/c"),
    ],
    "mission:approve": [("POST", f"/missions/x/{c}") for c in ("approve", "reject")],
    "key:manage": [("POST", "/keys"), ("GET", "/keys"), ("DELETE", "/keys/ck_0")],
    "mission:operate": [("POST", f"/missions/x/{c}") for c in ("cancel", "retry", "fail", "replay", "fork")],
}


async def test_each_call_needs_its_own_capability(serve, tmp_path: Path) -> None:
    service: Service = await serve(**ISSUER.settings(tmp_path))
    for capability, calls in NEEDED.items():
        without = ISSUER.bearer(capabilities=sorted(CAPABILITIES - {capability}))
        alone = ISSUER.bearer(capabilities=[capability])
        for method, path in calls:
            refused = await service.client.request(method, API + path, headers=without, content=b"{")
            assert (refused.status_code, refused.json()["code"]) == (403, "capability_missing"), path
            assert capability in refused.json()["detail"]
            let_in = await service.client.request(method, API + path, headers=alone)
            assert let_in.status_code not in {401, 403}, (path, let_in.text)


async def test_production_answers_an_approval_only_when_it_names_what_it_approves(serve, tmp_path: Path) -> None:
    service: Service = await serve(**ISSUER.settings(tmp_path))
    service.client.headers.update(ISSUER.bearer())
    lead = {"lead_id": "L-1", "attributes": {"name": "Ada", "stage": "contacted"}}
    chat = {
        "conversation_id": "C",
        "lead_id": "L-1",
        "channel": "sms",
        "messages": [{"author": "lead", "text": "Hi, my budget is 350k."}],
    }
    key = {"Authorization": "Bearer a key for the root", "X-Colony-Tenant": "acme"}
    for kind, item in (("leads", lead), ("chats", chat)):
        assert (
            await service.client.post(f"/root/import/{kind}", json={"items": [item]}, headers=key)
        ).status_code == 200
    mission_id = await service.submit()
    assert (await service.settled(mission_id))["status"] == "awaiting_approval"

    answer = await service.post(mission_id, "approve")

    assert (answer.status_code, answer.json()["code"]) == (422, "answer_incomplete")
    assert (await service.mission(mission_id))["status"] == "awaiting_approval"


async def test_developer_light_serves_this_machine_only(spawn) -> None:
    started = [spawn("serve", "--port", "0", "--host", host) for host in ("0.0.0.0", "::", "192.0.2.1")]  # noqa: S104
    for process in started:
        assert await asyncio.to_thread(process.process.wait, 60) == 2
        (line,) = process.output().splitlines()
        assert "COLONY_DEPLOYMENT_MODE" in line
        assert "--host 127.0.0.1" in line

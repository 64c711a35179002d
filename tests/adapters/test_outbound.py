"""The way out: no address inside is called but what an operator has named, counted from outside the clients."""

import ast
import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from pydantic import SecretStr

from adapters.events.webhook import WebhookChannel
from adapters.models.http import http_client
from adapters.models.routefile import Endpoint
from adapters.models.routes import EXTRACTIVE
from adapters.outbound.client import GatedBackend, guarded
from adapters.outbound.gate import Gate, looked_up, origin_of
from adapters.root.client import RootClient
from contracts.errors import DestinationRefused

KINDS = pytest.mark.parametrize("kind", [httpx.AsyncClient, httpx2.AsyncClient], ids=["httpx", "httpx2"])
REFUSED = (DestinationRefused, httpx.InvalidURL, httpx2.InvalidURL, httpx.HTTPError, httpx2.HTTPError)
OPEN = "1.2.3.4"
PACKAGES = ("contracts", "policies", "nodes", "graph", "adapters", "server")
ROOT = Path(__file__).parents[2]

_called: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _called is not None and event == "socket.connect" and isinstance(arguments[1], tuple):
        _called.append(str(arguments[1][0]))


sys.addaudithook(_hook)


@pytest.fixture
def called() -> Iterator[list[str]]:
    """Return the addresses that this process connects to, as the interpreter itself tells."""
    global _called  # noqa: PLW0603
    _called = []
    yield _called
    _called = None


class Names:
    """A resolver whose answers a test decides; each lookup gives the next one. Literals are the system's affair."""

    def __init__(self, **known: Sequence[Sequence[str]]) -> None:
        self._known = {name.replace("_", "."): list(answers) for name, answers in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._known:
            return await looked_up(host, port)
        answers = self._known[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Behind:
    """The open internet of the test: what is called at an open address is the server on this machine."""

    def __init__(self, inner: Any, port: int) -> None:
        self._inner = inner
        self._port = port
        self.asked: list[str] = []

    async def connect_tcp(self, host: str, port: int, **more: Any) -> Any:
        self.asked.append(host)
        if host == OPEN:
            host, port = "127.0.0.1", self._port
        return await self._inner.connect_tcp(host, port, **more)


@asynccontextmanager
async def answering(answer: bytes, rest: bytes = b"") -> AsyncIterator[tuple[int, list[bytes]]]:
    """Serve one answer to every request, and ``rest`` for as long as somebody reads; yields the port and requests."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            while rest:
                writer.write(rest)
                await writer.drain()
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


def reply(body: bytes = b"ok", status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", "connection: close", *lines, "", ""]).encode() + body


def behind(client: Any, port: int) -> Behind:
    backend = client._transport._pool._network_backend
    backend._inner = Behind(backend._inner, port)
    return backend._inner  # type: ignore[no-any-return]


INSIDE = [
    *("http://127.0.0.1/", "http://localhost/", "http://0x7f.1/", "http://2130706433/", "http://127.1/", "http://0/"),
    *("http://017700000001/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/"),
    *("http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]/", "http://[::127.0.0.1]/"),
    *("http://[2001:0:7f00:1::]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[fec0::1]/"),
    *("http://[2606:4700::5efe:7f00:1]/", "http://169.254.169.254/latest/meta-data/", "http://168.63.129.16/"),
    *("http://100.100.100.200/", "http://10.0.0.1/", "http://192.168.0.1/", "http://100.64.0.1/", "http://224.0.0.1/"),
    *("http://[ff02::1]/", "http://255.255.255.255/", "http://240.0.0.1/", "http://192.0.2.1/", "http://0.0.0.0/"),
    *("http://inside.example/", "http://both.example/", "http://mapped.example/", "http://nothing.example/"),
    *("http://open.example@127.0.0.1/", "http://user:secret@open.example/", "http://127.0.0.1\\@open.example/"),
    *(
        "http://127.0.0.1#@open.example/",
        "http://open.example:22/",
        "http://open.example:6379/",
        "http://127.0.0.1:80/",
    ),
    *("ftp://open.example/", "file:///etc/passwd", "gopher://open.example/", "http:///", "https://127.0.0.1./"),
]


def names() -> Names:
    both = {"both_example": [[OPEN, "127.0.0.1"]], "mapped_example": [["::ffff:10.0.0.1"]], "nothing_example": [[]]}
    return Names(open_example=[[OPEN]], inside_example=[["10.0.0.1"]], **both)


async def nothing_inside_is_called(client: Any, called: list[str], urls: Sequence[str]) -> None:
    """The check: of all ways to say an address inside none leads there, and nothing at all is connected to."""
    for url in urls:
        with pytest.raises(REFUSED):
            await client.get(url)
    assert called == []


@KINDS
async def test_a_client_trusts_whom_its_kind_trusts_by_itself(kind: Any) -> None:
    """A company's own authority may be the system's alone, or certifi's: behind the gate it counts as before."""

    def trusted(client: Any) -> set[str]:
        return {json.dumps(one, sort_keys=True) for one in client._transport._pool._ssl_context.get_ca_certs()}

    async with kind(trust_env=False) as bare, guarded(kind, Gate(resolve=names())) as client:
        assert trusted(client) == trusted(bare) != set()


@KINDS
async def test_nothing_inside_is_called(kind: Any, called: list[str]) -> None:
    async with guarded(kind, Gate(resolve=names()), timeout=2) as client:
        await nothing_inside_is_called(client, called, INSIDE)


async def test_a_client_without_the_gate_goes_inside(called: list[str]) -> None:
    async with httpx.AsyncClient(timeout=1, trust_env=False) as client:
        with pytest.raises(AssertionError):
            await nothing_inside_is_called(client, called, ["http://0x7f.1:1/", "http://[::ffff:127.0.0.1]:1/"])


@KINDS
async def test_an_open_address_is_called_and_nothing_else(kind: Any, called: list[str]) -> None:
    async with answering(reply()) as (port, seen), guarded(kind, Gate(resolve=names()), timeout=2) as client:
        asked = behind(client, port)
        assert (await client.get("http://open.example/x")).text == "ok"
        assert (asked.asked, called) == ([OPEN], ["127.0.0.1"])
        assert b"host: open.example\r\n" in seen[0].lower()


@KINDS
@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest/meta-data/", "http://inside.example/", "http://0x7f.1/"]
)
async def test_every_hop_of_a_redirect_is_judged(kind: Any, where: str, called: list[str]) -> None:
    gate = Gate(resolve=names())
    async with (
        answering(reply(status="302 Found", location=where)) as (port, seen),
        guarded(kind, gate, timeout=2, follow_redirects=True) as client,
    ):
        behind(client, port)
        with pytest.raises(DestinationRefused):
            await client.get("http://open.example/", headers={"authorization": "Bearer s"})
        assert (len(seen), called) == (1, ["127.0.0.1"])


@KINDS
async def test_a_named_origin_is_never_left(kind: Any, called: list[str]) -> None:
    async with answering(reply()) as (other, elsewhere):
        moved = reply(status="307 Temporary Redirect", location=f"http://127.0.0.1:{other}/")
        async with answering(moved) as (port, seen):
            base = f"http://127.0.0.1:{port}"
            gate = Gate(origin_of(httpx.URL(base)), inside=True)
            async with guarded(kind, gate, timeout=2, follow_redirects=True, headers={"authorization": "s"}) as client:
                with pytest.raises(DestinationRefused):
                    await client.get(f"{base}/x")
            async with guarded(kind, gate, timeout=2) as client:
                assert (await client.get(f"{base}/x")).status_code == 307
    assert (len(seen), elsewhere) == (2, [])


@KINDS
async def test_a_name_that_is_bound_anew_is_judged_anew_and_looked_up_once(kind: Any, called: list[str]) -> None:
    resolve = Names(turning_example=[[OPEN], ["127.0.0.1"]])
    async with answering(reply()) as (port, _), guarded(kind, Gate(resolve=resolve), timeout=2) as client:
        asked = behind(client, port)
        assert (await client.get("http://turning.example/")).text == "ok"
        assert (resolve.asked, asked.asked) == (["turning.example"], [OPEN])
        with pytest.raises(DestinationRefused):
            await client.get("http://turning.example/")
    assert (asked.asked, called) == ([OPEN], ["127.0.0.1"])


@KINDS
async def test_a_private_model_is_not_asked_at_an_open_address(kind: Any, called: list[str]) -> None:
    gate = Gate(("http", "models.example", 80), inside=True, private=True, resolve=Names(models_example=[[OPEN]]))
    async with guarded(kind, gate, timeout=2) as client:
        with pytest.raises(DestinationRefused):
            await client.get("http://models.example/v1")
    assert called == []


@KINDS
async def test_metadata_is_not_called_even_where_an_operators_own_name_leads_to_it(
    kind: Any, called: list[str]
) -> None:
    gate = Gate(("http", "crm.example", 80), inside=True, resolve=Names(crm_example=[["169.254.169.254"]]))
    async with guarded(kind, gate, timeout=2) as client:
        with pytest.raises(DestinationRefused):
            await client.get("http://crm.example/")
    assert called == []


BOMB = gzip.compress(b"\0" * 10_000_000)


@KINDS
@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        pytest.param(reply(BOMB, content_encoding="gzip"), b"", id="packed"),
        pytest.param(reply(b"x" * 5_000), b"", id="too-large"),
        pytest.param(reply(b""), b"y" * 1_000, id="endless"),
    ],
)
async def test_an_answer_is_neither_unpacked_nor_endless(kind: Any, answer: bytes, rest: bytes) -> None:
    async with answering(answer, rest) as (port, seen):
        gate = Gate(("http", "127.0.0.1", port), inside=True)
        async with guarded(kind, gate, most_bytes=4_000, timeout=5) as client:
            with pytest.raises((httpx.HTTPError, httpx2.HTTPError)):
                await client.get(f"http://127.0.0.1:{port}/")
    assert b"accept-encoding: identity\r\n" in seen[0].lower()


@KINDS
async def test_a_name_that_nobody_answers_for_is_not_waited_for_long(kind: Any) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with guarded(kind, Gate(resolve=never), timeout=0.1) as client:
        with pytest.raises((httpx.ConnectTimeout, httpx2.ConnectTimeout)):
            await client.get("http://open.example/")


def test_only_a_named_origin_may_be_inside() -> None:
    with pytest.raises(ValueError, match="named"):
        Gate(inside=True)


async def test_every_client_of_the_product_is_behind_the_gate() -> None:
    root = RootClient("http://127.0.0.1:1")
    model = http_client(Endpoint(EXTRACTIVE), "http://127.0.0.1:1/v1")
    secret = SecretStr("whsec_" + "a" * 32)
    hook = WebhookChannel("http://127.0.0.1:1/", secret, "http://colony.example", allow_private=True)
    clients: list[Any] = [root._reads, root._writes, model, hook._client]
    for client in clients:
        assert isinstance(client._transport._pool._network_backend, GatedBackend)
        assert not client.follow_redirects
        await client.aclose()


# The command line talks to Colony itself; spans go to the operator's collector by its exporter's own client; the
# embedded Postgres, the service and `doctor` look at local ports.
ELSEWHERE = {
    "server/cli/api.py": {"httpx.AsyncClient"},
    "server/spans.py": {"requests.Session"},
    "adapters/postgres/cluster_server.py": {"socket.socket"},
    "server/serve.py": {"socket.socket"},
    "server/cli/checks.py": {"socket.socket"},
}
MAKING = {
    *(f"{lib}.{kind}" for lib in ("httpx", "httpx2") for kind in ("AsyncClient", "Client")),
    *(f"{lib}.{kind}" for lib in ("httpx", "httpx2") for kind in ("AsyncHTTPTransport", "HTTPTransport")),
    *(f"{lib}.{verb}" for lib in ("httpx", "httpx2", "requests") for verb in ("get", "post", "put", "request")),
    *("requests.Session", "aiohttp.ClientSession", "urllib.request.urlopen", "asyncio.open_connection"),
    *("http.client.HTTPConnection", "http.client.HTTPSConnection", "socket.socket", "socket.create_connection"),
}


def made(path: Path) -> set[str]:
    """Return the ways out that a module takes by itself."""
    calls = (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call))
    return {ast.unparse(call.func) for call in calls} & MAKING


def test_nobody_else_makes_a_client_or_a_socket() -> None:
    found = {str(p.relative_to(ROOT)): made(p) for package in PACKAGES for p in (ROOT / package).rglob("*.py")}
    assert {name: ways for name, ways in found.items() if ways} == ELSEWHERE

"""A migrated database, the embedded root served by uvicorn on loopback, and a tenant of its own for every test."""

import asyncio
import socket
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio
import uvicorn

from adapters.postgres.pools import open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.root_store import RootStore
from adapters.postgres.secrets import read_secrets
from adapters.root.client import Patience, RootClient
from server.embedded_root.app import create_root_app


@pytest.fixture(scope="session")
def admin_dsn(cluster, template):
    name = "colony_roots"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
    return cluster.dsn_for(name)


@pytest_asyncio.fixture
async def pool(admin_dsn):
    key = read_secrets(admin_dsn).tenants
    pool = await open_pool(dsns_for(admin_dsn).root, name="root tests", tenants=key, most=8)
    yield pool
    await pool.close()


@pytest.fixture
def store(pool):
    return RootStore(pool)


@pytest.fixture
def tenant():
    return f"t-{uuid4().hex[:12]}"


@asynccontextmanager
async def serving(app):
    """Serve the app on a free loopback port and yield its base URL."""
    # With the protocol left open asyncio would not turn Nagle's algorithm off, and every answer took 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@pytest_asyncio.fixture
async def base_url(store):
    async with serving(create_root_app(store, api_key=None, require_key=False)) as url:
        yield url


@pytest_asyncio.fixture
async def http(base_url, tenant):
    async with httpx.AsyncClient(base_url=base_url, headers={"X-Colony-Tenant": tenant}, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture
async def client(base_url):
    client = RootClient(base_url, patience=Patience(backoff_s=0.001))
    yield client
    await client.aclose()


@pytest.fixture
def add(http):
    """Import records over HTTP and return the outcome."""

    async def add(kind, *records):
        answer = await http.post(f"/import/{kind}", json={"items": list(records)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return add


@pytest.fixture
def lead(add):
    """Import one lead and return its id."""

    async def lead(lead_id="L-1", **attributes):
        await add("leads", {"lead_id": lead_id, "attributes": {"name": "Ada", "stage": "new", **attributes}})
        return lead_id

    return lead

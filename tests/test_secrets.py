"""A canary: the secrets of a deployment appear in nothing that a mission leaves behind, says or prints."""

import base64
import urllib.parse
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.provision import Dsns
from tests.adapters.postgres.backdoor import Backdoor
from tests.support import Service, Spawned, sampled, until

ROOT_KEY = "canary-root-key-5f1d2c"
SERVICE_KEY = "canary-service-key-77aa10"
FOUND = "a secret was found"
Spawn = Callable[..., Spawned]


def secrets(database: str, dsns: Dsns) -> list[str]:
    passwords = [conninfo_to_dict(dsn)["password"] for dsn in (database, dsns.app, dsns.queue, dsns.root)]
    return [ROOT_KEY, SERVICE_KEY, *map(str, passwords)]


def spellings(secret: str) -> set[str]:
    """Return how a secret may be written: as it is, quoted for a URL, in hex or in base64."""
    raw = secret.encode()
    return {secret, urllib.parse.quote(secret, safe=""), raw.hex(), base64.b64encode(raw).decode().rstrip("=")}


def stored(db: Backdoor) -> str:
    """Return every row of every table, checkpoints, queue and root included, as text."""
    tables = db.rows(
        "select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n "
        "on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname in ('public', 'root', 'queue')"
    )
    rows = [str(row["row"]) for t in tables for row in db.rows(f"select t::text as row from {t['name']} t")]
    assert len(tables) > 30
    return "\n".join(rows)


async def answered(service: Service, mission_id: str) -> str:
    """Return all that the API says about a mission, the bundle's files included."""
    base = f"/api/colony/missions/{mission_id}"
    paths = [
        base,
        *(f"{base}/{part}" for part in ("events", "artifacts")),
        "/api/colony/missions",
        "/api/colony/health",
    ]
    said = [
        (await service.client.get(path)).text for path in [*paths, "/api/colony/health/ready", "/api/colony/metrics"]
    ]
    bundle = await service.client.get(f"{base}/bundle")
    if bundle.status_code == 200:
        with zipfile.ZipFile(BytesIO(bundle.content)) as opened:
            said += [opened.read(name).decode(errors="replace") for name in opened.namelist()]
    return "\n".join(said)


def no_secret_is_in(where: str, text: str, hidden: list[str]) -> None:
    """The check: the text holds no secret, however it is spelt."""
    assert text, f"nothing was collected from {where}"
    for secret in hidden:
        for spelling in spellings(secret):
            assert spelling not in text, f"{FOUND} in {where}"


@asynccontextmanager
async def served(spawn: Spawn, **environment: str) -> AsyncIterator[tuple[Service, Spawned]]:
    keys = {"ROOT_API_KEY": ROOT_KEY, "COLONY_SERVICE_API_KEY": SERVICE_KEY, "LOG_LEVEL": "debug"}
    process = spawn("serve", "--port", "0", **keys, **environment)
    async with httpx.AsyncClient(base_url=await process.ready(), timeout=30) as client:
        yield Service(client), process


async def test_a_mission_leaves_no_secret_anywhere(spawn: Spawn, database: str, dsns: Dsns) -> None:
    hidden = secrets(database, dsns)
    async with served(spawn) as (service, process):
        await service.seed_lead()
        mission_id = await service.submit()
        await service.settled(mission_id)
        await service.post(mission_id, "approve")
        assert (await service.settled(mission_id))["status"] == "completed"
        no_secret_is_in("the API", await answered(service, mission_id), hidden)
        lost = await service.submit(inputs={"lead_id": "nobody"})
        assert (await service.settled(lost))["status"] == "failed"
        no_secret_is_in("the API", await answered(service, lost), hidden)
        no_secret_is_in("the log", process.output(), hidden)
    no_secret_is_in("the database", stored(Backdoor(database)), hidden)


@pytest.mark.long
async def test_a_root_that_is_away_leaves_no_secret_anywhere(spawn: Spawn, database: str, dsns: Dsns) -> None:
    hidden = secrets(database, dsns)
    async with served(spawn, ROOT_API_BASE_URL="http://127.0.0.1:1/root") as (service, process):
        mission_id = await service.submit()
        failed = await service.settled(mission_id)
        assert failed["failure"]["code"] == "root_unavailable"
        no_secret_is_in("the API", await answered(service, mission_id), hidden)
        no_secret_is_in("the log", process.output(), hidden)
    no_secret_is_in("the database", stored(Backdoor(database)), hidden)


async def test_a_database_that_goes_away_leaves_no_secret_in_the_log(spawn: Spawn, database: str, dsns: Dsns) -> None:
    hidden = secrets(database, dsns)
    name = conninfo_to_dict(database)["dbname"]
    async with served(spawn) as (service, process):
        admin = Backdoor(database.replace(str(name), "postgres"))
        admin.run(f"alter database {name} allow_connections false")
        admin.rows("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", name)

        async def down() -> bool:
            answer = await service.client.get("/api/colony/health/ready")
            no_secret_is_in("the answer", answer.text, hidden)
            return answer.status_code == 503

        await until(down, "the service to see that its database is away")
        refused = await service.client.get("/api/colony/missions")
        assert refused.status_code == 503
        no_secret_is_in("the answer", refused.text, hidden)
        admin.run(f"alter database {name} allow_connections true")
        no_secret_is_in("the log", process.output(), hidden)


@pytest.mark.parametrize(
    "change",
    sampled(
        {
            "a-database-that-is-not": {"dbname": "nothing"},
            "nobody-there": {"port": "1"},
            "a-user-that-is-not": {"user": "nobody"},
        },
        3,
    ),
)
async def test_a_start_that_fails_prints_no_secret(
    spawn: Spawn, database: str, dsns: Dsns, change: dict[str, str]
) -> None:
    parts = {**conninfo_to_dict(database), **change}
    url = " ".join(f"{key}='{value}'" for key, value in parts.items() if value is not None)
    process = spawn("serve", "--port", "0", DATABASE_URL=url, ROOT_API_KEY=ROOT_KEY, LOG_LEVEL="debug")

    async def ended() -> bool:
        return process.process.poll() is not None

    await until(ended, "the start to fail")
    assert process.process.returncode == 1
    assert "store_unavailable" in process.output()
    no_secret_is_in("the output", process.output(), secrets(database, dsns))


async def test_a_secret_that_does_get_out_is_found(spawn: Spawn, database: str, dsns: Dsns) -> None:
    """The saboteur: somebody types the key into a mission's goal, and every place that keeps it is told."""
    hidden = secrets(database, dsns)
    async with served(spawn) as (service, _):
        mission_id = await service.submit(user_goal=f"Use {ROOT_KEY} please", inputs={"lead_id": "nobody"})
        await service.settled(mission_id)
        with pytest.raises(AssertionError, match=FOUND):
            no_secret_is_in("the API", await answered(service, mission_id), hidden)
    with pytest.raises(AssertionError, match=FOUND):
        no_secret_is_in("the database", stored(Backdoor(database)), hidden)


@pytest.mark.parametrize("spelling", range(4))
def test_a_secret_is_found_however_it_is_spelt(spelling: int) -> None:
    text = f"x {sorted(spellings('s@cret/key'))[spelling]} y"
    with pytest.raises(AssertionError, match=FOUND):
        no_secret_is_in("a text", text, ["s@cret/key"])

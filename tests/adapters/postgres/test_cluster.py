"""The embedded cluster against the real PostgreSQL, with real processes that are really killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psycopg
import pytest

from adapters.postgres import cluster_server
from adapters.postgres.cluster import EmbeddedCluster, open_cluster, stop_cluster
from adapters.postgres.cluster_account import account_for
from adapters.postgres.cluster_files import Layout, open_log, secure_socket_folder, socket_folder, wait_until
from contracts.errors import SettingInvalid, StoreCorrupted, StoreUnavailable

ROOT = Path(__file__).resolve().parents[3]
FAST = {"fsync": "off"}
PATIENCE = 20.0
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch accounts")

USER = """
import sys
from pathlib import Path
from adapters.postgres.cluster import open_cluster
cluster = open_cluster(Path(sys.argv[1]), settings={"fsync": "off"}, grace_seconds=float(sys.argv[2]))
print("ready", flush=True)
sys.stdin.read()
"""


def fresh_home() -> Path:
    # pytest's own folders are closed to the account Postgres runs as when the tests run as root.
    home = Path(tempfile.mkdtemp(prefix="colony-"))
    home.chmod(0o711)
    return home


def discard(home: Path) -> None:
    if (home / "postgres").exists():
        stop_cluster(home)
        layout = Layout.of(home)
        shutil.rmtree(socket_folder(layout, account_for(layout).uid), ignore_errors=True)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    home = fresh_home()
    open_cluster(home, settings=FAST).close()
    stop_cluster(home)
    yield home
    discard(home)


@pytest.fixture
def empty_home() -> Iterator[Path]:
    home = fresh_home()
    yield home
    discard(home)


@pytest.fixture
def home(template: Path, empty_home: Path) -> Path:
    return copied(template, empty_home)


def copied(template: Path, home: Path) -> Path:
    subprocess.run(["cp", "-a", template / "postgres", home / "postgres"], check=True)
    (home / "postgres" / "log").unlink()
    return home


def start(home: Path, grace: float = 0.1) -> EmbeddedCluster:
    return open_cluster(home, settings=FAST, grace_seconds=grace)


def ask(cluster: EmbeddedCluster, query: str) -> object:
    with psycopg.connect(cluster.dsn, autocommit=True) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def warden(home: Path) -> int:
    file = home / "postgres/warden.lock"
    assert wait_until(lambda: bool(file.read_text()), PATIENCE)
    return int(file.read_text())


def stopped(home: Path) -> bool:
    return wait_until(lambda: not cluster_server.alive(Layout.of(home)), PATIENCE)


def wardenless(home: Path) -> bool:
    with Layout.of(home).lock("warden") as lock:
        return wait_until(lock.take, PATIENCE)


def starts(home: Path) -> int:
    return (home / "postgres/log").read_text().count("starting PostgreSQL")


@pytest.fixture
def user(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    begun: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", USER, str(home), "0.1"]
        begun.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def says_ready(process: subprocess.Popen[str]) -> bool:
    out: IO[str] | None = process.stdout
    return out is not None and out.readline() == "ready\n"


def test_a_first_start_makes_a_private_durable_cluster_that_a_second_start_finds_again(empty_home: Path) -> None:
    with open_cluster(empty_home) as cluster:
        with psycopg.connect(cluster.dsn) as connection:
            for name, value in {
                "fsync": "on",
                "data_checksums": "on",
                "listen_addresses": "",
                "server_encoding": "UTF8",
                "unix_socket_permissions": "0700",
            }.items():
                assert connection.execute(f"show {name}").fetchone() == (value,)
        assert ask(cluster, "select datlocprovider::text || datlocale from pg_database where datname = 'colony'") == (
            "bC.UTF-8"
        )
        ask(cluster, "create extension vector; create table kept as select 41 + 1 as answer")
    stop_cluster(empty_home)
    assert wardenless(empty_home)

    with open_cluster(empty_home) as cluster, open_cluster(empty_home) as again:
        assert ask(cluster, "select answer from kept") == 42
        assert again.dsn == cluster.dsn
        with psycopg.connect(cluster.dsn_for("postgres")) as connection:
            assert connection.info.dbname == "postgres"


def test_only_the_password_opens_it_and_only_the_owner_can_read_that(home: Path) -> None:
    base = home / "postgres"
    assert stat.S_IMODE((base / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((base / "data").stat().st_mode) == 0o700
    rules = [line.split() for line in (base / "data/pg_hba.conf").read_text().splitlines() if line[:1].isalpha()]
    assert {rule[-1] for rule in rules} == {"scram-sha-256"}
    password = (base / "password").read_text().strip()
    with start(home) as cluster:
        assert stat.S_IMODE((base / "socket").stat().st_mode) == 0o700
        for wrong in (cluster.dsn.replace(password, "guess"), cluster.dsn.replace(f":{password}", "")):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(wrong)


@pytest.mark.parametrize(
    ("below", "beside"),
    [
        pytest.param("a home with 'spaces' and {braces}, é", False, id="spaces-quotes-comma"),
        pytest.param("a home", True, id="space"),
        pytest.param("/".join(["long" * 12] * 4), False, id="very-long"),
    ],
)
def test_any_path_will_do(template: Path, empty_home: Path, below: str, beside: bool) -> None:
    home = empty_home / below
    home.mkdir(parents=True)
    try:
        with start(copied(template, home)) as cluster:
            assert ask(cluster, "select 1") == 1
            folder = Path(str(ask(cluster, "show unix_socket_directories")))
            assert (folder == home / "postgres/socket") is beside
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        discard(home)


def test_a_socket_folder_somebody_else_prepared_is_refused(template: Path, empty_home: Path) -> None:
    home = empty_home / "long" / ("x" * 90)
    home.mkdir(parents=True)
    layout = Layout.of(copied(template, home))
    account = account_for(layout)
    folder = socket_folder(layout, account.uid)
    try:
        secure_socket_folder(folder, account.uid, account.gid)
        folder.chmod(0o777)
        with pytest.raises(SettingInvalid, match="not a private folder"):
            start(home)
    finally:
        discard(home)


def test_processes_that_open_it_at_once_start_it_once(home: Path, user: Callable[[], subprocess.Popen[str]]) -> None:
    processes = [user() for _ in range(3)]
    assert all(says_ready(process) for process in processes)
    assert starts(home) == 1


def test_it_stops_when_the_last_user_is_killed_and_not_before(
    home: Path, user: Callable[[], subprocess.Popen[str]]
) -> None:
    first, second = user(), user()
    assert says_ready(first)
    assert says_ready(second)
    first.kill()
    first.wait()
    with start(home) as cluster:
        assert ask(cluster, "select 1") == 1
    assert starts(home) == 1
    second.kill()
    assert stopped(home)
    assert wardenless(home)
    assert "database system is shut down" in (home / "postgres/log").read_text()


def test_users_who_come_while_it_stops_wait_and_start_it_anew(home: Path) -> None:
    for _ in range(12):
        with start(home, grace=0) as cluster:
            assert ask(cluster, "select 1") == 1
    assert stopped(home)


def test_a_killed_postgres_is_recovered_with_its_data(home: Path) -> None:
    with start(home) as cluster:
        ask(cluster, "create table kept as select generate_series(1, 1000) as n")
        os.kill(postmaster(home), signal.SIGKILL)
        with start(home) as again:
            assert ask(again, "select count(*) from kept") == 1000
    assert starts(home) == 2


def test_a_stale_pid_that_now_is_another_process_does_not_stop_a_start(home: Path) -> None:
    account = account_for(Layout.of(home))
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
    with subprocess.Popen(["sleep", "60"], **identity) as stranger, start(home):  # type: ignore[call-overload]
        os.kill(postmaster(home), signal.SIGKILL)
        assert stopped(home)
        file = home / "postgres/data/postmaster.pid"
        file.write_text(file.read_text().replace(str(postmaster(home)), str(stranger.pid), 1))
        with start(home) as again:
            assert ask(again, "select 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_killed_warden_is_replaced_and_the_new_one_stops_it(home: Path) -> None:
    with start(home):
        killed = warden(home)
        os.kill(killed, signal.SIGKILL)
        assert wardenless(home)
        with start(home):
            assert warden(home) != killed
    assert stopped(home)
    assert starts(home) == 1


def test_stopping_does_not_ask_who_uses_it_and_twice_is_harmless(home: Path) -> None:
    with start(home, grace=60) as cluster:
        stop_cluster(home)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(cluster.dsn)
        stop_cluster(home)
        with start(home, grace=60) as again:
            assert ask(again, "select 1") == 1


def test_a_half_done_initdb_is_done_again(empty_home: Path) -> None:
    half = empty_home / "postgres/data.tmp/data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with start(empty_home) as cluster:
        assert ask(cluster, "select 1") == 1
    assert not half.parent.exists()


def test_a_starter_killed_during_initdb_does_no_harm(empty_home: Path) -> None:
    command = [sys.executable, "-c", USER, str(empty_home), "0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert wait_until((empty_home / "postgres/data.tmp/data").exists, PATIENCE)
        starter.kill()
    with start(empty_home) as cluster:
        assert ask(cluster, "select 1") == 1


def damage(path: str, content: bytes | None) -> Callable[[Path], None]:
    def do(data: Path) -> None:
        if content is None:
            (data / path).unlink()
        else:
            (data / path).write_bytes(content)

    return do


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        pytest.param(damage("PG_VERSION", None), "no PG_VERSION", id="no-version"),
        pytest.param(damage("PG_VERSION", b"16\n"), "of PostgreSQL '16'", id="other-version"),
        pytest.param(damage("global/pg_control", b"\0" * 8192), "can't be started", id="zeroed-control"),
        pytest.param(damage("global/pg_control", b"x"), "can't be started", id="short-control"),
        pytest.param(damage("global/pg_control", None), "can't be started", id="no-control"),
        pytest.param(damage("../password", None), "password file is not", id="no-password"),
        pytest.param(
            lambda data: os.chown(data, 4321, 4321), "belongs to account 4321", id="another-account", marks=as_root
        ),
    ],
)
def test_a_damaged_data_folder_is_refused_and_kept(home: Path, harm: Callable[[Path], None], reason: str) -> None:
    data = home / "postgres/data"
    harm(data)
    with pytest.raises(StoreCorrupted, match=reason) as caught:
        start(home)
    assert "restore a backup" in caught.value.hint
    assert str(home / "postgres/log") in caught.value.hint
    assert (data / "base/1").is_dir()
    os.chown(data, (data / "base").stat().st_uid, (data / "base").stat().st_gid)
    assert wardenless(home)


def test_a_wrong_setting_is_not_called_corruption(home: Path) -> None:
    with pytest.raises(StoreUnavailable, match="contains errors"):
        open_cluster(home, settings={"max_connections": "many"}, grace_seconds=0)


def test_a_changed_password_file_is_told_from_a_dead_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.postgres.cluster.REFUSAL_SECONDS", 0.1)
    with start(home):
        (home / "postgres/password").write_text("guess\n")
        with pytest.raises(StoreUnavailable, match="password authentication failed"):
            start(home)


def test_a_postgres_started_by_hand_is_left_alone(home: Path) -> None:
    start(home).close()
    stop_cluster(home)
    layout = Layout.of(home)
    account, log = account_for(layout), open_log(layout)

    def by_hand(*arguments: str) -> int:
        command: list[str | Path] = [cluster_server.program("pg_ctl"), "-D", layout.data, "-w", *arguments]
        return account.run(command, folder=layout.base, output=log, patience=PATIENCE)

    try:
        assert by_hand("start") == 0
        with pytest.raises(StoreUnavailable, match="did not start"):
            start(home)
    finally:
        by_hand("stop", "-m", "fast")
        os.close(log)


def test_a_home_that_cannot_be_made_is_a_wrong_setting(empty_home: Path) -> None:
    (empty_home / "file").write_text("")
    with pytest.raises(SettingInvalid, match="COLONY_HOME"):
        open_cluster(empty_home / "file" / "home")


@as_root
def test_a_folder_closed_to_the_account_is_named_and_left_as_it_is(empty_home: Path) -> None:
    closed = empty_home / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SettingInvalid, match=f"can't enter {closed}") as caught:
        open_cluster(closed / "home", grace_seconds=0)
    assert "COLONY_HOME" in caught.value.message
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert wardenless(closed / "home")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_services_secrets_do_not_reach_postgres_or_the_warden(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLONY_SOME_SECRET", "hush")
    with start(home):
        for pid in (postmaster(home), warden(home)):
            assert b"hush" not in Path(f"/proc/{pid}/environ").read_bytes()

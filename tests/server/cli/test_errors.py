"""Errors: one line that says what happened and what to do, and the right exit code."""

import asyncio
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from contracts.errors import ColonyError, Denied, NotBuilt
from server.cli.api import Api
from server.cli.main import app
from server.cli.output import exit_of, one_line, print_error
from tests.server.cli.conftest import COMMAND, Run

NOWHERE = {"COLONY_SERVICE_BASE_URL": "http://127.0.0.1:9"}


async def test_a_service_that_is_down_is_said_with_how_to_start_it(alone: Run):
    ran = await alone("missions", "list", **NOWHERE)
    assert ran.code == 1
    assert ran.error("service_unavailable") == (
        "service_unavailable: Colony does not answer at http://127.0.0.1:9. "
        "Start it with `make up` (or `colony up`), or set COLONY_SERVICE_BASE_URL."
    )
    assert ran.out == ""


async def test_another_program_at_the_address_is_not_taken_for_colony(alone: Run):
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ran = await alone("missions", "list", COLONY_SERVICE_BASE_URL=base)
    assert ran.code == 1
    assert "is not Colony" in ran.error("service_unavailable")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("missions", "submit"), "TYPE", id="nothing-given"),
        pytest.param(("missions", "submit", "poetry", "--goal", "g"), "'poetry' is not one of", id="no-such-class"),
        pytest.param(("missions", "submit", "oracle_advisory"), "--goal", id="no-goal"),
        pytest.param(
            ("missions", "submit", "oracle_advisory", "--goal", "g", "--input", "question"),
            "not of the form NAME=VALUE",
            id="input-without-value",
        ),
        pytest.param(
            ("missions", "submit", "oracle_advisory", "--goal", "g", "--input", "question=@none.txt"),
            "none.txt can't be read",
            id="input-file-missing",
        ),
        pytest.param(("missions", "approve", "m", "--edit", "wp=7"), "a JSON object", id="edit-not-an-object"),
        pytest.param(("missions", "list", "--limit", "0"), "--limit", id="limit-zero"),
        pytest.param(("verify", "none.zip"), "none.zip", id="no-bundle"),
        pytest.param(("root", "import"), "name what to import", id="nothing-to-import"),
        pytest.param(("perform",), "perform", id="no-such-command"),
        pytest.param(("doctor", "--fast"), "--fast", id="no-such-option"),
    ],
)
async def test_wrong_usage_is_one_line_and_exits_with_two(alone: Run, arguments, says):
    ran = await alone(*arguments, **NOWHERE)
    assert ran.code == 2, ran.err
    assert says in ran.error("usage")
    assert ran.err.endswith("--help`.\n")


async def test_the_command_says_which_version_it_is(alone: Run):
    ran = await alone("--version", **NOWHERE)
    assert (ran.code, ran.out, ran.err) == (0, f"colony {version('colony')}\n", "")


async def test_a_wrong_setting_is_wrong_usage_and_its_value_is_not_shown(alone: Run):
    ran = await alone("missions", "list", COLONY_TIMEOUT_MS="hunter2")
    assert ran.code == 2
    assert "COLONY_TIMEOUT_MS" in ran.error("setting_invalid")
    assert "hunter2" not in ran.err


async def test_what_the_service_refuses_keeps_its_code(colony: Run):
    missing = await colony("missions", "show", "msn_0")
    assert missing.code == 1
    assert "colony missions list" in missing.error("mission_not_found")
    unusable = await colony("missions", "submit", "crm_lead_intelligence", "--goal", "g")
    assert unusable.code == 2
    assert "lead_id" in unusable.error("missing_input")


async def test_a_reader_that_goes_away_is_no_crash():
    script = f"set -o pipefail; {COMMAND} policies check --json | head -c 10"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert out == b'{\n  "ok": '
    assert err == b""


def commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """Return the words of every command, the groups among them."""
    yield words
    for name, under in getattr(command, "commands", {}).items():
        yield from commands(under, *words, name)


def test_every_command_helps():
    found = list(commands(typer.main.get_command(app)))
    assert {("missions", "submit"), ("db", "backup"), ("policies", "check"), ("keys", "create")} <= set(found)
    for words in found:
        ran = CliRunner().invoke(app, [*words, "--help"], prog_name="colony", terminal_width=200)
        assert ran.exit_code == 0, ran.output
        assert " ".join(("Usage: colony", *words)) in ran.output


async def test_a_command_shows_its_help_as_a_process(alone: Run):
    ran = await alone("missions", "submit", "--help")
    assert ran.code == 0
    assert "--json" in ran.out


def answer(status: int, **problem: object) -> ColonyError:
    client = httpx.AsyncClient()
    return Api(client, "http://colony.example", 1.0).error(httpx.Response(status, json=problem))


@pytest.mark.parametrize(
    ("status", "code", "kind", "exit_code"),
    [
        pytest.param(403, "policy_denied", Denied, 3, id="policy"),
        pytest.param(403, "capability_missing", ColonyError, 1, id="capability"),
        pytest.param(501, "not_built", NotBuilt, 1, id="not-built"),
        pytest.param(422, "missing_input", ColonyError, 2, id="input"),
        pytest.param(500, "internal_error", ColonyError, 1, id="inside"),
    ],
)
def test_a_problem_comes_back_as_the_error_it_was(status, code, kind, exit_code):
    error = answer(status, code=code, detail="it happened", hint="Do this.", trace_id="t1")
    assert isinstance(error, kind)
    assert (error.code, error.hint) == (code, "Do this.")
    assert exit_of(error) == exit_code


def test_an_error_line_stays_one_line_whatever_is_in_it(capsys):
    print_error("code", "first\nsecond \x1b[31mred", "Do this")
    assert capsys.readouterr().err == "code: first second \N{REPLACEMENT CHARACTER}[31mred. Do this.\n"


def test_text_of_strangers_can_not_steer_the_terminal():
    assert one_line("a\x1b]0;b\x07\u202ec\nd") == "a\ufffd]0;b\ufffd\ufffdc \u23ce d"

"""Settings: all of them written down, wrong ones named, secrets never shown."""

import re
import socket
from pathlib import Path

import pytest

from contracts.errors import SettingInvalid
from server.settings import RESERVED, DeploymentMode, Settings, load_settings

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / ".env.example"
INTERFACE = PROJECT.parent / "shared" / "api.md"
NAMES = {field.alias: name for name, field in Settings.model_fields.items() if field.alias}
SECRET = "s3cr3t-do-not-show"


def documented() -> dict[str, tuple[str, str]]:
    """Return every variable of the example with its explanation and its default, in order."""
    found: dict[str, tuple[str, str]] = {}
    explained: list[str] = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            explained.append(line.removeprefix("# "))
        elif "=" in line:
            name, _, default = line.partition("=")
            assert name not in found, f"{name} is there twice"
            found[name] = (explained[-1] if explained else "", default)
            explained = []
        else:
            explained = []
    return found


def test_the_example_explains_every_variable_that_is_read_and_every_reserved_one() -> None:
    assert set(documented()) == set(NAMES) | set(RESERVED)
    assert all(len(text) > 20 and text.endswith(".") for text, _ in documented().values())


def test_the_example_says_which_variables_have_no_effect_yet() -> None:
    names = list(documented())
    assert set(names[-len(RESERVED) :]) == set(RESERVED)


def test_the_example_names_what_the_interface_names() -> None:
    if not INTERFACE.is_file():
        pytest.skip("the description of the interfaces is not here")
    section = INTERFACE.read_text(encoding="utf-8").split("## 6.")[1].split("A wrong value")[0]
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|\bPORT\b", section))
    assert set(documented()) >= named


def test_the_defaults_of_the_example_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    bare = load_settings()
    (tmp_path / ".env").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_settings() == bare


WRONG = {
    "COLONY_DEPLOYMENT_MODE": ["prod", "PRODUCTION "],
    "COLONY_ENABLED": ["maybe"],
    "PORT": ["eighty", "-1", "65536", "80.5"],
    "COLONY_SERVICE_BASE_URL": ["localhost:8080", "ftp://x", "http://"],
    "COLONY_TIMEOUT_MS": ["0", "-5", "5s", "99999999999999"],
    "COLONY_DEFAULT_TIME_BUDGET_MS": ["0"],
    "COLONY_DEFAULT_TOKEN_BUDGET": ["0", "many"],
    "ROOT_API_BASE_URL": ["crm.example.com", "http://[", "http://host:port", "https://a b"],
    "DEFAULT_MODEL_ROUTE": ["gpt"],
    "MAX_CONCURRENT_MISSIONS": ["0", "1000"],
    "MAX_WORKERS_PER_MISSION": ["0", "65"],
    "MISSION_TIMEOUT_MS": ["0"],
    "TASK_TIMEOUT_MS": ["soon"],
    "APPROVAL_TIMEOUT_MS": ["-1"],
    "LOG_LEVEL": ["loud"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_name_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    error = caught.value
    assert name in error.message
    assert error.hint.startswith("It must be ")
    assert len(error.hint) > len("It must be a value.")
    assert value not in error.message
    assert error.__cause__ is None


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name, raising=False)
    unset = load_settings()
    monkeypatch.setenv(name, " ")
    assert load_settings() == unset


def test_an_option_goes_before_the_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PORT=1001\nLOG_LEVEL=debug\n", encoding="utf-8")
    assert load_settings().port == 1001
    monkeypatch.setenv("PORT", "1002")
    assert load_settings().port == 1002
    assert load_settings(PORT=1003).port == 1003
    assert load_settings(PORT=None).log_level == "debug"


def test_a_file_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(SettingInvalid, match=r"\.env"):
        load_settings()


def test_secrets_are_never_shown() -> None:
    secret = dict.fromkeys(("COLONY_SERVICE_API_KEY", "ROOT_API_KEY"), SECRET)
    secret["DATABASE_URL"] = f"postgresql://u:{SECRET}@h/d"
    settings = load_settings(**secret)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert SECRET not in shown
        assert "**********" in shown


def test_every_secret_of_the_example_is_kept_as_one() -> None:
    for name, (text, _) in documented().items():
        if name in NAMES:
            kept = "Secret" in str(Settings.model_fields[NAMES[name]].annotation)
            assert kept == ("(secret)" in text), name


def test_only_developer_and_test_modes_trust_this_machine() -> None:
    assert {mode for mode in DeploymentMode if mode.trusts_loopback} == {"developer-light", "test", "test-debug"}
    assert {mode for mode in DeploymentMode if mode.is_production} == {"production", "production-debug"}


STARTS = [
    ("DATABASE_URL", f"postgresql://u:{SECRET}@h:port/d"),
    ("COLONY_HOME", "/proc/colony"),
    ("JWT_JWKS_FILE", "/no/such/file"),
]


def test_a_start_that_can_not_be_ends_with_one_line_that_says_why(spawn) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        started = {
            (name, value): spawn("serve", "--port", "0", **({"DATABASE_URL": ""} | {name: value}))
            if name == "COLONY_HOME"
            else spawn("serve", "--port", "0", **{name: value})
            for name, value in STARTS
        }
        started["PORT", port] = spawn("serve", "--port", port)
        for (name, _), process in started.items():
            assert process.process.wait(60) == 2, process.output()
            (line,) = process.output().splitlines()
            assert line.startswith("setting_invalid: ")
            assert name in line
            assert SECRET not in line
    assert port in started["PORT", port].output()
    assert "--port" in started["PORT", port].output()

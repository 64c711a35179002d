"""The routes file: what is accepted, what leads where, and what a wrong one is told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from adapters.models.routefile import read_routes
from adapters.models.routes import ModelRoutes
from contracts.errors import SettingInvalid
from contracts.mission import ModelTier
from server.settings import load_settings

LOCAL, CLOUD, HIGH = ModelTier.LOCAL_PRIVATE, ModelTier.CLOUD_STANDARD, ModelTier.HIGH_REASONING
SECRETS = {"PROVIDER_KEY": "sk-very-secret"}


def secret(name: str) -> SecretStr | None:
    return SecretStr(SECRETS[name]) if name in SECRETS else None


def entry(**changes: Any) -> dict[str, Any]:
    """Return a hosted tier; a value of None leaves the field out."""
    whole = {"provider": "openai", "model": "gpt-large", "api_key_env": "PROVIDER_KEY", "max_tokens": 2_000}
    whole |= {"price_in": 2.5, "price_out": 10, "timeout_ms": 30_000} | changes
    return {name: value for name, value in whole.items() if value is not None}


def written(folder: Path, tiers: Any, name: str = "routes.yaml") -> Path:
    path = folder / name
    text = tiers if isinstance(tiers, str) else json.dumps(tiers) if name.endswith("json") else yaml.safe_dump(tiers)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["routes.yaml", "routes.json"])
def test_a_file_in_either_form_configures_tiers(tmp_path: Path, name: str) -> None:
    tiers = {"tier_cloud_standard": entry(fallback="tier_local_private")}
    endpoints = read_routes(written(tmp_path, tiers, name), CLOUD, secret)
    cloud = endpoints[CLOUD]
    assert (cloud.route.model, cloud.route.price_in, cloud.route.price_out) == ("gpt-large", 2.5, 10.0)
    assert (cloud.route.private, cloud.route.fallback, cloud.route.timeout_ms) == (False, LOCAL, 30_000)
    assert "secret" not in repr(cloud)
    assert endpoints[LOCAL].route.provider == "extractive"


def test_without_a_file_there_is_the_built_in_model_alone() -> None:
    assert [e.route.provider for e in read_routes(None, LOCAL, secret).values()] == ["extractive"]


@pytest.mark.parametrize(
    ("changes", "private"),
    [
        pytest.param({"base_url": "http://127.0.0.1:11434/v1"}, True, id="loopback"),
        pytest.param({"base_url": "http://[::1]:8000/v1"}, True, id="loopback-six"),
        pytest.param({"base_url": "http://localhost:8000"}, True, id="localhost"),
        pytest.param({"base_url": "http://10.1.2.3:8000/v1", "private": True}, True, id="declared-address"),
        pytest.param({"base_url": "https://models.corp.example/v1", "private": True}, True, id="declared-name"),
        pytest.param({"base_url": "http://10.1.2.3:8000/v1"}, False, id="own-network-undeclared"),
        pytest.param({"base_url": "http://localhost.evil.example/v1"}, False, id="a-name-that-begins-so"),
        pytest.param({"base_url": "http://127.0.0.1.evil.example/v1"}, False, id="a-name-like-an-address"),
        pytest.param({}, False, id="hosted"),
    ],
)
def test_a_tier_is_private_only_when_nothing_leaves(tmp_path: Path, changes: dict[str, Any], private: bool) -> None:
    path = written(tmp_path, {"tier_cloud_standard": entry(**changes)})
    assert read_routes(path, CLOUD, secret)[CLOUD].route.private is private


ONE = "tier_cloud_standard"
WRONG = [
    pytest.param("{", "neither YAML nor JSON", id="unreadable"),
    pytest.param("- a\n- b\n", "the file", id="no-mapping"),
    pytest.param({"tier_best": entry()}, "tier_best", id="unknown-tier"),
    pytest.param({ONE: entry(provider="other")}, f"{ONE}.provider", id="unknown-provider"),
    pytest.param({ONE: entry(tokens=5)}, f"{ONE}.tokens", id="unknown-field"),
    pytest.param({ONE: entry(max_tokens=0)}, f"{ONE}.max_tokens", id="no-tokens"),
    pytest.param({ONE: entry(max_tokens="many")}, f"{ONE}.max_tokens", id="tokens-in-words"),
    pytest.param({ONE: entry(timeout_ms=-1)}, f"{ONE}.timeout_ms", id="no-time"),
    pytest.param({ONE: entry(price_in=-1)}, f"{ONE}.price_in", id="negative-price"),
    pytest.param({ONE: entry(price_out=None)}, "price_out is missing", id="price-missing"),
    pytest.param({ONE: entry(model=None)}, "model is missing", id="model-missing"),
    pytest.param({ONE: entry(api_key_env=None)}, "api_key_env is missing", id="hosted-without-a-key"),
    pytest.param({ONE: entry(api_key_env="sk-pasted-key")}, f"{ONE}.api_key_env", id="a-key-instead-of-a-name"),
    pytest.param({ONE: entry(api_key_env="NOT_SET")}, "the environment has no NOT_SET", id="variable-not-set"),
    pytest.param({ONE: entry(base_url="ftp://models")}, f"{ONE}.base_url", id="no-http"),
    pytest.param({ONE: entry(base_url="http://127.0.0.1@evil.example/v1")}, f"{ONE}.base_url", id="login-in-the-url"),
    pytest.param({ONE: entry(fallback="tier_high_reasoning")}, "is not configured", id="fallback-to-nothing"),
    pytest.param({ONE: entry(fallback=ONE)}, "lead back", id="fallback-to-itself"),
    pytest.param({ONE: entry(fallback="x")}, f"{ONE}.fallback", id="fallback-unknown"),
    pytest.param(
        {ONE: entry(fallback="tier_high_reasoning"), "tier_high_reasoning": entry(fallback=ONE)},
        "lead back",
        id="fallback-in-a-circle",
    ),
    pytest.param({ONE: entry(provider="extractive")}, "takes no base_url", id="extractive-with-a-key"),
    pytest.param({"tier_local_private": entry()}, "tier_local_private.base_url", id="private-tier-hosted"),
    pytest.param(
        {"tier_local_private": entry(base_url="http://10.0.0.9/v1")}, "must be extractive", id="private-tier-undeclared"
    ),
    pytest.param(
        {ONE: entry(base_url="https://api.openai.com/v1", private=True)}, "operator's own", id="vendor-called-private"
    ),
    pytest.param({ONE: entry(base_url="http://8.8.8.8/v1", private=True)}, "operator's own", id="internet-as-private"),
    pytest.param({ONE: entry(private=True)}, "operator's own", id="hosted-called-private"),
]


@pytest.mark.parametrize(("tiers", "told"), WRONG)
def test_a_wrong_file_is_told_with_tier_and_field(tmp_path: Path, tiers: Any, told: str) -> None:
    with pytest.raises(SettingInvalid) as wrong:
        read_routes(written(tmp_path, tiers), LOCAL, secret)
    assert wrong.value.message.startswith("MODEL_ROUTES_FILE")
    assert told in wrong.value.message
    assert "sk-" not in wrong.value.message + wrong.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="MODEL_ROUTES_FILE can't be read"):
        read_routes(tmp_path / "none.yaml", LOCAL, secret)


def test_the_default_route_must_be_configured(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="DEFAULT_MODEL_ROUTE names tier_high_reasoning"):
        read_routes(written(tmp_path, {ONE: entry()}), HIGH, secret)


def test_personal_data_is_sent_to_the_private_tier_unless_the_preferred_one_may_see_it(tmp_path: Path) -> None:
    def tier_of(sensitivity: str, **changes: Any) -> ModelTier:
        endpoints = read_routes(written(tmp_path, {ONE: entry(**changes)}), CLOUD, secret)
        routes = ModelRoutes({t: e.route for t, e in endpoints.items()}, CLOUD)
        return routes.route(sensitivity, "extract_facts").tier

    assert tier_of("internal") is CLOUD
    assert tier_of("personal") is LOCAL
    assert tier_of("personal", personal_allowed=True) is CLOUD
    assert tier_of("personal", base_url="http://127.0.0.1:9/v1") is CLOUD


def test_a_key_is_looked_up_by_the_settings_and_never_among_colonys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROVIDER_KEY", " abc ")
    monkeypatch.setenv("EMPTY_KEY", "")
    settings = load_settings()
    found = settings.secret("SOME_PROVIDER_KEY")
    assert found is not None
    assert found.get_secret_value() == "abc"
    assert settings.secret("EMPTY_KEY") is None
    with pytest.raises(SettingInvalid, match="Colony's own"):
        settings.secret("DATABASE_URL")


@pytest.mark.parametrize("page", ["models.md", "configuration.md"])
def test_the_files_that_the_documentation_shows_can_be_used(page: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("tier_")]
    assert shown
    for number, block in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block, encoding="utf-8")
        assert read_routes(path, ModelTier.LOCAL_PRIVATE, lambda _: SecretStr("k"))

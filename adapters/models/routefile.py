"""The routes file: which provider each tier leads to, as YAML or JSON, checked before anything starts.

``{tier: {provider, model, base_url?, api_key_env?, max_tokens, price_in, price_out, timeout_ms, fallback?, private?,
personal_allowed?}}``; prices are USD per million tokens, times are milliseconds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, TypeAdapter, ValidationError
from pydantic import model_validator as check

from adapters.models.routes import EXTRACTIVE
from contracts.errors import SettingInvalid
from contracts.mission import ModelTier
from contracts.ports import Route

VARIABLE = "MODEL_ROUTES_FILE"
_MAX_BYTES = 256_000
_HOSTED = ("openai.com", "anthropic.com", "azure.com", "googleapis.com", "amazonaws.com", "mistral.ai", "openrouter.ai")

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s?#@]*)?$", max_length=2_000)]
Price = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class RouteEntry(BaseModel):
    """One tier of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: Literal["extractive", "openai", "anthropic"]
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = EXTRACTIVE.model
    base_url: Url | None = None
    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")] | None = None
    max_tokens: Annotated[int, Field(ge=16, le=1_000_000)] = EXTRACTIVE.max_tokens
    price_in: Price | None = None
    price_out: Price | None = None
    timeout_ms: Annotated[int, Field(ge=100, le=3_600_000)] = EXTRACTIVE.timeout_ms
    fallback: ModelTier | None = None
    private: bool = False
    personal_allowed: bool = False

    @check(mode="after")
    def _fits_its_provider(self) -> Self:
        if self.provider == "extractive":
            if self.base_url or self.api_key_env:
                raise ValueError("the built-in extractive model takes no base_url and no api_key_env")
            return self
        for name in ("model", "price_in", "price_out", "max_tokens", "timeout_ms"):
            if name not in self.model_fields_set:
                raise ValueError(f"{name} is missing")
        if self.base_url is None and self.api_key_env is None:
            raise ValueError("api_key_env is missing: the name of the variable that holds the provider's key")
        if self.private and not _can_be_private(self.base_url):
            raise ValueError("private is true, but base_url does not lead to a machine of the operator's own")
        return self

    @property
    def is_private(self) -> bool:
        """Whether nothing that is sent there leaves the operator's machines."""
        return self.provider == "extractive" or self.private or _is_loopback(self.base_url)


@dataclass(frozen=True)
class Endpoint:
    """A route, and how its provider is reached."""

    route: Route
    base_url: str | None = None
    api_key: SecretStr | None = None


def _is_loopback(base_url: str | None) -> bool:
    host = urlsplit(base_url or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _can_be_private(base_url: str | None) -> bool:
    """Tell whether an operator can truthfully call an address their own: no address of the open internet is."""
    host = (urlsplit(base_url or "").hostname or "").rstrip(".")
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return bool(host) and not any(host == name or host.endswith(f".{name}") for name in _HOSTED)


_FILE = TypeAdapter(dict[ModelTier, RouteEntry])
_DEFAULT = {EXTRACTIVE.tier: Endpoint(EXTRACTIVE)}


def read_routes(
    path: Path | None, preferred: ModelTier, secret: Callable[[str], SecretStr | None]
) -> dict[ModelTier, Endpoint]:
    """Read the routes file; a private tier that it does not name is the built-in extractive model.

    Args:
        path: the file, or None for the built-in model alone.
        preferred: the tier that must be there.
        secret: looks a variable of the environment up.

    Raises:
        SettingInvalid: the file can't be used; the message names the tier and the field, never a value.
    """
    endpoints = dict(_DEFAULT)
    entries = _entries(path) if path is not None else {}
    for tier, entry in entries.items():
        endpoints[tier] = _endpoint(tier, entry, secret)
    _check_private(endpoints)
    _check_fallbacks(endpoints)
    if preferred not in endpoints:
        raise SettingInvalid(
            f"DEFAULT_MODEL_ROUTE names {preferred.value}, which {VARIABLE} does not configure",
            hint=f"Configured: {', '.join(sorted(endpoints))}.",
        )
    return endpoints


def _entries(path: Path) -> Mapping[ModelTier, RouteEntry]:
    try:
        content = path.read_bytes()
        if len(content) > _MAX_BYTES:
            raise SettingInvalid(f"{VARIABLE} is larger than {_MAX_BYTES} bytes")
        loaded: Any = yaml.safe_load(content)
    except OSError as exc:
        raise SettingInvalid(
            f"{VARIABLE} can't be read: {exc.strerror or 'no such file'}",
            hint="It must be a readable YAML or JSON file.",
        ) from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise SettingInvalid(f"{VARIABLE} is neither YAML nor JSON{where}") from exc
    try:
        return _FILE.validate_python(loaded)
    except ValidationError as exc:
        problem = exc.errors()[0]
        where = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "the file"
        raise _wrong(where, problem["msg"].removeprefix("Value error, ")) from exc


def _wrong(where: str, problem: str) -> SettingInvalid:
    hint = "A tier has provider, model, base_url, api_key_env, max_tokens, price_in, price_out, timeout_ms, fallback."
    return SettingInvalid(f"{VARIABLE}: {where}: {problem}", hint=hint)


def _endpoint(tier: ModelTier, entry: RouteEntry, secret: Callable[[str], SecretStr | None]) -> Endpoint:
    key = secret(entry.api_key_env) if entry.api_key_env else None
    if entry.api_key_env and key is None:
        raise _wrong(f"{tier.value}.api_key_env", f"the environment has no {entry.api_key_env}")
    route = Route(
        tier=tier,
        provider=entry.provider,
        model=entry.model,
        private=entry.is_private,
        max_tokens=entry.max_tokens,
        timeout_ms=entry.timeout_ms,
        personal_allowed=entry.personal_allowed,
        price_in=entry.price_in or 0.0,
        price_out=entry.price_out or 0.0,
        fallback=entry.fallback,
    )
    return Endpoint(route, entry.base_url, key)


def _check_private(endpoints: Mapping[ModelTier, Endpoint]) -> None:
    if not endpoints[ModelTier.LOCAL_PRIVATE].route.private:
        raise _wrong(
            f"{ModelTier.LOCAL_PRIVATE.value}.base_url",
            "the private tier must be extractive, lead to this machine, or be declared `private: true`",
        )


def _check_fallbacks(endpoints: Mapping[ModelTier, Endpoint]) -> None:
    for tier, endpoint in endpoints.items():
        seen = {tier}
        following = endpoint.route.fallback
        while following is not None:
            if following not in endpoints:
                raise _wrong(f"{tier.value}.fallback", f"{following.value} is not configured")
            if following in seen:
                raise _wrong(f"{tier.value}.fallback", "the fallbacks lead back to a tier that has failed")
            seen.add(following)
            following = endpoints[following].route.fallback

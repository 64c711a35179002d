"""Where Colony is, read from the product's environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

_RIGHT = {
    "COLONY_SERVICE_BASE_URL": "a URL such as http://127.0.0.1:8080",
    "COLONY_SERVICE_API_KEY": "one line of printable characters",
    "COLONY_ENABLED": "true or false",
    "COLONY_TIMEOUT_MS": "milliseconds, a whole number from 1 to 600000",
}


class GatewayMisconfigured(ValueError):
    """A variable has a wrong value; the message names it and what would be right, never the value."""


class GatewaySettings(BaseModel):
    """What the gateway needs to know. Times are in milliseconds, the key is never printed.

    Attributes:
        timeout_ms: the most that one call may take in all; a stream, until its first byte.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    base_url: str = Field("http://127.0.0.1:8080", alias="COLONY_SERVICE_BASE_URL")
    api_key: SecretStr | None = Field(None, alias="COLONY_SERVICE_API_KEY")
    enabled: bool = Field(default=True, alias="COLONY_ENABLED")
    timeout_ms: int = Field(30_000, alias="COLONY_TIMEOUT_MS", ge=1, le=600_000)

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not value.isascii() or " " in value:
            raise ValueError("not an http or https URL")
        return value.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _is_header(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value is not None else ""
        if not key.isascii() or not key.isprintable():
            raise ValueError("not one line of printable characters")
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> GatewaySettings:
        """Read the four variables; an empty one is not set.

        Raises:
            GatewayMisconfigured: one has a wrong value.
        """
        given = os.environ if environment is None else environment
        values = {name: given[name].strip() for name in _RIGHT if given.get(name, "").strip()}
        try:
            return cls.model_validate(values)
        except ValidationError as exc:
            name = str(exc.errors(include_input=False, include_context=False)[0]["loc"][0])
            # The cause may hold the key.
            raise GatewayMisconfigured(f"{name} has a wrong value: it must be {_RIGHT[name]}") from None

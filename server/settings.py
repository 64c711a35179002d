"""The one reader of the environment. A wrong value stops the start with the variable's name and what would be right."""

from __future__ import annotations

import base64
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.errors import SettingInvalid
from contracts.mission import ModelTier

_KEY_BYTES = 32
_ORIGINS = r"^https?://[A-Za-z0-9.\-\[\]:]+(,https?://[A-Za-z0-9.\-\[\]:]+)*$"
_UNBROKEN = re.compile(r"[!-~]+")
_BROKERS = r"^[A-Za-z0-9_.\-\[\]:]+:[0-9]{1,5}(,[A-Za-z0-9_.\-\[\]:]+:[0-9]{1,5})*$"


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0 or not _UNBROKEN.fullmatch(value):
        raise ValueError("not an http or https URL")
    return value


def public_keys(value: str | None) -> tuple[bytes, ...]:
    """Return the Ed25519 public keys that a text names: base64 of 32 bytes each, with commas between several.

    Raises:
        ValueError: it is anything else.
    """
    keys = tuple(base64.b64decode(part.strip(), validate=True) for part in value.split(",")) if value else ()
    if any(len(key) != _KEY_BYTES for key in keys):
        raise ValueError("not 32 bytes")
    return keys


Ms = Annotated[int, Field(ge=1, le=2_592_000_000)]
Url = Annotated[str, AfterValidator(_url)]


class DeploymentMode(StrEnum):
    """How strict this deployment is; see the table in docs/configuration.md."""

    DEVELOPER_LIGHT = "developer-light"
    DEVELOPER_FULL = "developer-full"
    TEST = "test"
    TEST_DEBUG = "test-debug"
    PRODUCTION = "production"
    PRODUCTION_DEBUG = "production-debug"

    @property
    def is_production(self) -> bool:
        """Whether nothing may be loosened."""
        return self in {DeploymentMode.PRODUCTION, DeploymentMode.PRODUCTION_DEBUG}

    @property
    def trusts_loopback(self) -> bool:
        """Whether a request from this machine needs no token and ``{}`` approves what is pending."""
        return self in {DeploymentMode.DEVELOPER_LIGHT, DeploymentMode.TEST, DeploymentMode.TEST_DEBUG}


class RootValidation(StrEnum):
    """Whether the root is asked if it would take a write: never, where it has the hook for it, or always."""

    OFF = "off"
    AUTO = "auto"
    REQUIRED = "required"


class Settings(BaseSettings):
    """Everything that can be configured. Times are in milliseconds, secrets are never printed."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    deployment_mode: DeploymentMode = Field(DeploymentMode.DEVELOPER_LIGHT, alias="COLONY_DEPLOYMENT_MODE")
    enabled: bool = Field(default=True, alias="COLONY_ENABLED")
    home: Path = Field(Path(".colony"), alias="COLONY_HOME")
    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    port: int = Field(8080, alias="PORT", ge=0, le=65_535)
    service_base_url: Url | None = Field(None, alias="COLONY_SERVICE_BASE_URL")
    service_api_key: SecretStr | None = Field(None, alias="COLONY_SERVICE_API_KEY")
    client_timeout_ms: Ms = Field(30_000, alias="COLONY_TIMEOUT_MS")
    default_time_budget_ms: Ms = Field(600_000, alias="COLONY_DEFAULT_TIME_BUDGET_MS")
    default_token_budget: int = Field(200_000, alias="COLONY_DEFAULT_TOKEN_BUDGET", ge=1)
    root_api_base_url: Url | None = Field(None, alias="ROOT_API_BASE_URL")
    root_api_key: SecretStr | None = Field(None, alias="ROOT_API_KEY")
    root_validation: RootValidation = Field(RootValidation.OFF, alias="ROOT_WRITEBACK_VALIDATION")
    model_routes_file: Path | None = Field(None, alias="MODEL_ROUTES_FILE")
    default_model_route: ModelTier = Field(ModelTier.LOCAL_PRIVATE, alias="DEFAULT_MODEL_ROUTE")
    max_concurrent_missions: int = Field(8, alias="MAX_CONCURRENT_MISSIONS", ge=1, le=200)
    max_workers_per_mission: int = Field(4, alias="MAX_WORKERS_PER_MISSION", ge=1, le=64)
    mission_timeout_ms: Ms = Field(3_600_000, alias="MISSION_TIMEOUT_MS")
    task_timeout_ms: Ms = Field(120_000, alias="TASK_TIMEOUT_MS")
    approval_timeout_ms: Ms = Field(604_800_000, alias="APPROVAL_TIMEOUT_MS")
    approval_escalate_after_ms: Ms | None = Field(None, alias="APPROVAL_ESCALATE_AFTER_MS")
    payload_encryption_key: SecretStr | None = Field(None, alias="PAYLOAD_ENCRYPTION_KEY")
    jwt_issuer: str | None = Field(None, alias="JWT_ISSUER")
    jwt_audience: str | None = Field(None, alias="JWT_AUDIENCE")
    jwt_jwks_file: Path | None = Field(None, alias="JWT_JWKS_FILE")
    constitution_public_key: str | None = Field(None, alias="CONSTITUTION_PUBLIC_KEY")
    rate_per_principal: int = Field(6_000, alias="COLONY_RATE_PER_PRINCIPAL", ge=1, le=10_000_000)
    rate_per_tenant: int = Field(30_000, alias="COLONY_RATE_PER_TENANT", ge=1, le=10_000_000)
    streams_per_principal: int = Field(200, alias="COLONY_STREAMS_PER_PRINCIPAL", ge=1, le=100_000)
    streams_per_tenant: int = Field(1_000, alias="COLONY_STREAMS_PER_TENANT", ge=1, le=100_000)
    kafka_bootstrap_servers: str | None = Field(None, alias="KAFKA_BOOTSTRAP_SERVERS", pattern=_BROKERS)
    kafka_client_file: Path | None = Field(None, alias="KAFKA_CLIENT_FILE")
    webhook_url: Url | None = Field(None, alias="COLONY_WEBHOOK_URL")
    webhook_secret: SecretStr | None = Field(None, alias="COLONY_WEBHOOK_SECRET")
    webhook_allow_private: bool = Field(default=False, alias="COLONY_WEBHOOK_ALLOW_PRIVATE")
    audit_dir: Path | None = Field(None, alias="COLONY_AUDIT_DIR")
    audit_key_file: Path | None = Field(None, alias="COLONY_AUDIT_KEY_FILE")
    audit_interval_ms: Ms = Field(60_000, alias="COLONY_AUDIT_INTERVAL_MS")
    otlp_endpoint: Url | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    extra_graphs: Path | None = Field(None, alias="COLONY_EXTRA_GRAPHS")
    cors_origins: str | None = Field(None, alias="COLONY_CORS_ORIGINS", pattern=_ORIGINS)
    log_level: str = Field("INFO", alias="LOG_LEVEL", pattern=r"^(?i:debug|info|warning|error)$")

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any, info: Any) -> Any:
        """Treat ``NAME=`` as not set, as most shells' users mean it."""
        if isinstance(value, str) and not value.strip():
            return cls.model_fields[info.field_name].get_default()
        return value

    @field_validator("constitution_public_key")
    @classmethod
    def _are_keys(cls, value: str | None) -> str | None:
        public_keys(value)
        return value

    @property
    def constitution_keys(self) -> tuple[bytes, ...]:
        """The public keys that constitutions are verified by, of 32 bytes each; none if none was set."""
        return public_keys(self.constitution_public_key)

    def secret(self, name: str) -> SecretStr | None:
        """Look up a variable that the routes file names for a provider's key, in the environment and in ``.env``.

        Raises:
            SettingInvalid: it is one of Colony's own variables, which are for nobody else.
        """
        if name in {field.alias for field in type(self).model_fields.values()}:
            raise SettingInvalid(f"MODEL_ROUTES_FILE: api_key_env names {name}, which is Colony's own")
        value = os.environ.get(name) or dotenv_values(".env").get(name)
        return SecretStr(value.strip()) if value and value.strip() else None

    @property
    def escalate_after_ms(self) -> int:
        """When an unanswered approval is escalated: half-way to its deadline, unless the setting says otherwise."""
        return self.approval_escalate_after_ms or max(1, self.approval_timeout_ms // 2)

    @property
    def own_base_url(self) -> str:
        """Where this deployment's API is reached by its own workers and its command line."""
        return (self.service_base_url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def root_base_url(self) -> str:
        """Where the root's API is; by default the embedded one, mounted at ``/root`` of this service."""
        return (self.root_api_base_url or f"{self.own_base_url}/root").rstrip("/")


RESERVED = ("RESEARCH_PROVIDER", "BROWSER_PROVIDER")
"""Variables of the interface that change nothing in this version yet."""

_A_TIME = "milliseconds, a whole number from 1 to 2592000000"
_RIGHT = {
    "COLONY_CORS_ORIGINS": "origins such as https://app.example.com, with commas between",
    "COLONY_DEPLOYMENT_MODE": "one of " + ", ".join(DeploymentMode),
    "DEFAULT_MODEL_ROUTE": "one of " + ", ".join(ModelTier),
    "LOG_LEVEL": "one of debug, info, warning, error",
    "KAFKA_BOOTSTRAP_SERVERS": "brokers such as kafka-1:9092,kafka-2:9092",
    "COLONY_WEBHOOK_URL": "an https URL, or http on loopback",
    "COLONY_WEBHOOK_ALLOW_PRIVATE": "true or false",
    "CONSTITUTION_PUBLIC_KEY": "an Ed25519 public key, 32 bytes as base64, or several with commas between",
    "PORT": "a port number from 0 to 65535",
    "COLONY_ENABLED": "true or false",
    "COLONY_SERVICE_BASE_URL": "a URL such as http://127.0.0.1:8080",
    "ROOT_API_BASE_URL": "a URL such as https://crm.example.com",
    "ROOT_WRITEBACK_VALIDATION": "one of " + ", ".join(RootValidation),
    "OTEL_EXPORTER_OTLP_ENDPOINT": "a URL such as http://127.0.0.1:4318",
    "COLONY_DEFAULT_TOKEN_BUDGET": "a whole number of at least 1",
    **dict.fromkeys(("COLONY_RATE_PER_PRINCIPAL", "COLONY_RATE_PER_TENANT"), "a whole number from 1 to 10000000"),
    **dict.fromkeys(("COLONY_STREAMS_PER_PRINCIPAL", "COLONY_STREAMS_PER_TENANT"), "a whole number from 1 to 100000"),
    "MAX_CONCURRENT_MISSIONS": "a whole number from 1 to 200",
    "MAX_WORKERS_PER_MISSION": "a whole number from 1 to 64",
    **dict.fromkeys(
        (
            "COLONY_TIMEOUT_MS",
            "COLONY_DEFAULT_TIME_BUDGET_MS",
            "MISSION_TIMEOUT_MS",
            "TASK_TIMEOUT_MS",
            "APPROVAL_TIMEOUT_MS",
            "APPROVAL_ESCALATE_AFTER_MS",
            "COLONY_AUDIT_INTERVAL_MS",
        ),
        _A_TIME,
    ),
}


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and ``.env``.

    Args:
        overrides: values by variable name that go before the environment's, as from a command's options.

    Raises:
        SettingInvalid: a value is wrong; the message names the variable and what would be right, never the value.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as exc:
        name = str(exc.errors(include_input=False)[0]["loc"][0])
        right = _RIGHT.get(name, "a value that fits")
        # The cause holds the value, which may be a secret.
        raise SettingInvalid(f"{name} has a wrong value", hint=f"It must be {right}.") from None
    except UnicodeDecodeError:
        raise SettingInvalid("the file .env can't be read", hint="It must be UTF-8 text.") from None

"""The service's API as the command uses it; its problems come back as the errors they were."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from pydantic import SecretStr

from contracts.errors import (
    BadInput,
    ColonyError,
    Conflict,
    Denied,
    Forbidden,
    NotBuilt,
    NotFound,
    PassRefused,
    ServiceUnavailable,
    Unauthenticated,
    Unavailable,
)
from server.cli.options import LATEST
from server.settings import Settings

BASE = "/api/colony"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_BY_STATUS: dict[int, type[ColonyError]] = {
    HTTPStatus.BAD_REQUEST: BadInput,
    HTTPStatus.UNAUTHORIZED: Unauthenticated,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BadInput,
    HTTPStatus.UNPROCESSABLE_ENTITY: BadInput,
    HTTPStatus.NOT_IMPLEMENTED: NotBuilt,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
}
_POLICY = {Denied.code, PassRefused.code}
_HINTS = {
    Unauthenticated: "Set COLONY_SERVICE_API_KEY to an API key or a token.",
    NotFound: "`colony missions list` shows what is there.",
    NotBuilt: "`colony missions show` and `colony gates` show what is kept.",
}


class Api:
    """One connection to the service.

    Raises (every method):
        ServiceUnavailable: nothing answers there, or what answers is not Colony.
        ColonyError: the service's own problem, with its code and hint.
    """

    def __init__(self, client: httpx.AsyncClient, base_url: str, timeout_s: float) -> None:
        self.client = client
        self.base_url = base_url
        self.timeout_s = timeout_s

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return the JSON document at a path."""
        wanted = {name: value for name, value in params.items() if value is not None}
        return self._document(await self._send("GET", path, params=wanted))

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """Send a command and return what the service makes of it."""
        return self._document(await self._send("POST", path, json=dict(body), headers=headers))

    async def delete(self, path: str) -> dict[str, Any]:
        """End something and return what the service shows of it."""
        return self._document(await self._send("DELETE", path))

    async def content(self, path: str) -> bytes:
        """Return the bytes at a path."""
        return (await self._send("GET", path)).content

    async def mission(self, mission_id: str) -> dict[str, Any]:
        """Return a mission whole."""
        return await self.get(at(mission_id))

    async def events(self, mission_id: str, after: int = 0) -> list[dict[str, Any]]:
        """Return a mission's recorded events after a seq."""
        return list((await self.get(at(mission_id, "events"), after=after))["items"])

    async def artifacts(self, mission_id: str, kind: str) -> list[dict[str, Any]]:
        """Return a mission's artifacts of a kind."""
        return list((await self.get(at(mission_id, "artifacts"), kind=kind))["items"])

    async def resolved(self, mission_id: str) -> str:
        """Return the id itself, or the newest mission's if that is what was asked for."""
        if mission_id != LATEST:
            return mission_id
        items = (await self.get("/missions", limit=1))["items"]
        if not items:
            raise NotFound("there is no mission yet", hint="Submit one with `colony missions submit`.")
        return str(items[0]["mission_id"])

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = await self.client.request(method, BASE + path, **request)
        except httpx.RequestError as exc:
            raise self.unavailable() from exc
        if answer.is_success:
            return answer
        raise self.error(answer)

    def unavailable(self) -> ServiceUnavailable:
        """Return the error for a service that does not answer."""
        return ServiceUnavailable(f"Colony does not answer at {self.base_url}")

    def error(self, answer: httpx.Response) -> ColonyError:
        """Return the error that an answer is."""
        try:
            problem = answer.json()
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
            return ServiceUnavailable(f"what answers at {self.base_url} is not Colony (HTTP {answer.status_code})")
        code = problem["code"]
        kind = Denied if code in _POLICY else _BY_STATUS.get(answer.status_code, ColonyError)
        message = str(problem.get("detail") or problem.get("title") or "the service refused")
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            message += f" (trace {problem.get('trace_id')})"
        return kind(message, code=code, hint=str(problem.get("hint") or _HINTS.get(kind, "")))

    def _document(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ServiceUnavailable(f"what answers at {self.base_url} is not Colony")
        return value


def at(mission_id: str, *parts: str) -> str:
    """Return the path of a mission or of a part of it."""
    return "/".join(("/missions", *(quote(part, safe="") for part in (mission_id, *parts))))


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Api]:
    """Open a connection to the deployment's service."""
    async with client_of(settings.own_base_url, settings.service_api_key, settings.client_timeout_ms / 1000) as api:
        yield api


@asynccontextmanager
async def client_of(base_url: str, key: SecretStr | None, timeout_s: float) -> AsyncIterator[Api]:
    """Open a connection to a service."""
    headers = {"Accept": "application/json", "User-Agent": "colony-cli"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    # A proxy from the environment is for the way out, never for this machine's own service.
    outside = urlsplit(base_url).hostname not in _LOOPBACK
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=outside) as client:
        yield Api(client, base_url, timeout_s)

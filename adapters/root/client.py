"""The root over HTTP: reads are retried within bounds, a write is sent once and its outcome told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from adapters.outbound.client import guarded
from adapters.outbound.gate import Gate, origin_of
from adapters.root import catalyst
from adapters.root.paths import checked_path, lead_path, page_path, segment
from adapters.root.reading import Fetched, every_page
from adapters.root.records import BatchOutcome, Kind, Record
from adapters.root.replies import NotYet, Reply, read_reply, refuse, unavailable
from adapters.tracing import stamp
from contracts.errors import OutcomeUnknown, PreconditionStale, RootRefused

ATTEMPTS = 3
CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class Patience:
    """How long a call may take in all, retries included, and how long to wait before one.

    Attributes:
        total_s: seconds for the whole call.
        backoff_s: the first wait before a retry; it doubles, with full jitter.
        retry_after_s: the longest Retry-After that is waited for; a longer one ends the call.
    """

    total_s: float = 10.0
    backoff_s: float = 0.1
    retry_after_s: float = 5.0


class RootClient:
    """The root's API for the mission's tools, for writeback and for imports.

    Raises (every method):
        NotFound: no such object (code ``lead_not_found``, ``document_not_found`` …).
        PreconditionStale: the object changed since it was read.
        RootUnavailable: no answer, and nothing was written.
        RootRefused: the root said no, or its answer can't be used.
        OutcomeUnknown: a write was sent and no answer says whether it happened.
        BadInput: an id that no object can have.
    """

    def __init__(self, base_url: str, api_key: SecretStr | None = None, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        headers = {"Accept": "application/json", "User-Agent": "colony"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key.get_secret_value()}"
        # A proxy from the environment is for the way out, never for this machine's own service.
        outside = urlsplit(base_url).hostname not in {"localhost", "127.0.0.1", "::1"}
        total = self._patience.total_s
        timeout = httpx.Timeout(total, connect=min(CONNECT_SECONDS, total))
        # A kept connection may be closed by the far side as the write goes out: then nobody knows what happened.
        fresh = httpx.Limits(max_keepalive_connections=0)
        shared: dict[str, Any] = {"base_url": base_url, "headers": headers, "timeout": timeout, "trust_env": outside}
        shared["event_hooks"] = {"request": [stamp]}
        gate = Gate(origin_of(httpx.URL(base_url)), inside=True)
        self._reads = guarded(httpx.AsyncClient, gate, **shared)
        self._writes = guarded(httpx.AsyncClient, gate, **shared, limits=fresh)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._reads.aclose()
        await self._writes.aclose()

    async def get_lead(self, tenant: str, lead_id: str) -> Fetched:
        """Return ``{lead_id, …}``."""
        return await self._get(tenant, lead_path(lead_id), "lead")

    async def get_chat(self, tenant: str, lead_id: str, cursor: str | None = None) -> Fetched:
        """Return ``{items: [{conversation_id, channel, messages}], next_cursor}``."""
        return await self._get(tenant, lead_path(lead_id, "chat"), "lead", cursor=cursor)

    async def list_activities(self, tenant: str, lead_id: str, kind: str, cursor: str | None = None) -> Fetched:
        """Return ``{items, next_cursor}`` of a lead's ``notes``, ``tasks`` or ``messages``, for a read-back."""
        return await self._get(tenant, lead_path(lead_id, segment(kind)), "lead", limit="200", cursor=cursor)

    async def get_kanban(self, tenant: str) -> Fetched:
        """Return ``{stages: [{stage, leads}], order}``."""
        return await self._get(tenant, "/api/crm/kanban", "board")

    async def get_demographics(self, tenant: str) -> Fetched:
        """Return the number of leads by trait."""
        return await self._get(tenant, "/api/crm/demographics", "demographics")

    async def list_documents(
        self, tenant: str, *, q: str | None = None, limit: int = 50, cursor: str | None = None, text: bool = False
    ) -> Fetched:
        """Return ``{items, next_cursor}`` of documents, with their text if asked for."""
        include = "text" if text else None
        return await self._get(
            tenant, "/api/oracle/documents", "document", q=q, limit=str(limit), cursor=cursor, include=include
        )

    async def search_passages(
        self, tenant: str, q: str, *, document_ids: Sequence[str] | None = None, limit: int = 50
    ) -> Fetched:
        """Return ``{items: [{document_id, title, heading, start, end, score, text, …}]}``, best first.

        Raises:
            NotFound: a named document does not exist, or this root does not search by passages.
        """
        params = {"q": q, "limit": str(limit), "document_id": document_ids}
        return await self._get(tenant, "/api/oracle/passages", "document", **params)

    async def get_document(self, tenant: str, document_id: str) -> Fetched:
        """Return ``{document_id, title, source, text, …}``."""
        return await self._get(tenant, f"/api/oracle/documents/{segment(document_id)}", "document")

    async def get_page(self, tenant: str, page_id: str) -> Fetched:
        """Return ``{page_id, …}``."""
        return await self._get(tenant, page_path(page_id), "page")

    async def get_campaign(self, tenant: str, campaign_id: str) -> Fetched:
        """Return ``{campaign_id, rows, …}`` with all rows, however many pages the root gives them in.

        Raises:
            PreconditionStale: the campaign changed while it was being read.
        """
        path = f"/api/catalyst/campaigns/{segment(campaign_id)}"

        async def read(cursor: str | None) -> Fetched:
            return await self._get(tenant, path, "campaign", cursor=cursor)

        pages = await every_page(read, "campaign")
        if any(page.etag != pages[0].etag for page in pages):
            raise PreconditionStale("the campaign changed while it was being read")
        whole = await asyncio.to_thread(catalyst.campaign, [page.data for page in pages], campaign_id)
        return Fetched(whole, pages[0].etag, sum(page.size for page in pages))

    async def list_campaigns(self, tenant: str, *, limit: int = 50, cursor: str | None = None) -> Fetched:
        """Return ``{items: [{campaign_id, columns}], next_cursor}``."""
        return await self._get(tenant, "/api/catalyst/campaigns", "campaign", limit=str(limit), cursor=cursor)

    async def get_signals(self, tenant: str, lead_id: str, cursor: str | None = None) -> Fetched:
        """Return ``{items: […], next_cursor}``."""
        return await self._get(tenant, f"/api/sentinel/leads/{segment(lead_id)}/signals", "signals", cursor=cursor)

    async def write(
        self,
        tenant: str,
        method: str,
        path: str,
        body: Mapping[str, Any],
        etag: str | None,
        idempotency_key: str,
        named: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Send one write, once, and return what the root made of it; never sent again by itself.

        ``path`` is one that `paths` made, ``named`` headers that say what was approved. RootUnavailable means that
        nothing was sent or the root said "not now".
        """
        headers = {**(named or {}), "X-Colony-Tenant": tenant, "Idempotency-Key": idempotency_key}
        headers |= {"Content-Type": "application/json"} | ({"If-Match": etag} if etag is not None else {})
        content = _compact(body)
        request = self._writes.build_request(method, checked_path(path), content=content, headers=headers)
        try:
            async with asyncio.timeout(self._patience.total_s):
                reply = await read_reply(self._writes, request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as exc:
            raise unavailable() from exc
        except (httpx.RequestError, TimeoutError) as exc:
            raise OutcomeUnknown("the root did not answer the write") from exc
        if reply.status >= 500:
            raise OutcomeUnknown("the root failed at the write")
        if reply.status == 429:
            raise unavailable()
        if not 200 <= reply.status < 300:
            refuse(reply, _what(path))
        # It is written, whether or not the answer can be read.
        return Fetched(reply.data or {}, reply.etag)

    async def consult(self, tenant: str, path: str, body: Mapping[str, Any]) -> Reply:
        """Ask with a POST that changes nothing, and return the answer whatever its status; retried like a read."""
        headers = {"X-Colony-Tenant": tenant, "Content-Type": "application/json"}
        return await self._patiently(self._reads.build_request("POST", path, content=_compact(body), headers=headers))

    async def put(self, tenant: str, kind: Kind, records: Sequence[Record]) -> BatchOutcome:
        """Import a batch; retried like a read, since putting a record twice is putting it once."""
        content = _compact({"items": [r.model_dump(mode="json") for r in records]})
        headers = {"X-Colony-Tenant": tenant, "Content-Type": "application/json"}
        request = self._reads.build_request("POST", f"/import/{segment(kind)}", content=content, headers=headers)
        reply = await self._patiently(request)
        refuse(reply, "import")
        try:
            return BatchOutcome.model_validate(reply.data)
        except ValidationError as exc:
            raise RootRefused("malformed payload: the root's answer can't be used", code="malformed_payload") from exc

    async def _get(self, tenant: str, path: str, what: str, **params: str | Sequence[str] | None) -> Fetched:
        wanted = {name: value for name, value in params.items() if value is not None}
        headers = {"X-Colony-Tenant": tenant}
        reply = await self._patiently(self._reads.build_request("GET", path, params=wanted, headers=headers))
        refuse(reply, what)
        if reply.data is None:
            raise RootRefused("malformed payload: the root's answer can't be used", code="malformed_payload")
        return Fetched(reply.data, reply.etag, reply.size)

    async def _patiently(self, request: httpx.Request) -> Reply:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            retry=retry_if_exception_type(
                (NotYet, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
            ),
            reraise=True,
        )
        try:
            async with asyncio.timeout(self._patience.total_s):
                return await retrying(self._once, request)
        except (httpx.RequestError, NotYet, TimeoutError) as exc:
            raise unavailable() from exc

    async def _once(self, request: httpx.Request) -> Reply:
        try:
            reply = await read_reply(self._reads, request)
        except httpx.DecodingError as exc:
            raise RootRefused(
                "the root's answer is packed, which was not asked for", code="root_answer_packed"
            ) from exc
        if reply.status >= 500 or reply.status == 429:
            if reply.retry_after is not None and reply.retry_after > self._patience.retry_after_s:
                raise unavailable()
            raise NotYet(reply.retry_after)
        return reply

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, NotYet) and error.retry_after is not None:
            return error.retry_after
        return wait_random_exponential(multiplier=self._patience.backoff_s, max=self._patience.retry_after_s)(state)


def _compact(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _what(path: str) -> str:
    if path.startswith("/api/crm/leads/"):
        return "lead"
    return "page" if path.startswith("/api/oracle/pages/") else "object"

"""The root's documents as passages: searched for by the root, or cut here where a root has whole documents only.

Items are ``{entity, id, title, etag, data}`` with ``data: {document_id, start, end, text, …}``; ``text`` is the stored
document's ``[start:end]``, counted in characters.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from adapters.passages import cut
from adapters.root import oracle
from adapters.root.client import RootClient
from adapters.root.reading import added_up, listed, objects
from contracts.errors import NotFound, RootRefused

Items = list[dict[str, Any]]

MOST_PASSAGES = 50
_MOST_DOCUMENTS = 50
_LONGEST_QUERY = 1_500
_LONGEST_IDS = 4_000
_WORD = re.compile(r"\w+(?:['\u2019.,-]\w+)*")


class DocumentSearch:
    """Reads documents for one tenant."""

    def __init__(self, client: RootClient, tenant_id: str) -> None:
        self._client = client
        self._tenant = tenant_id

    async def passages(self, question: str, document_ids: Sequence[str] | None) -> Items:
        """Return the passages that fit a question best, of the named documents only if any are named.

        Raises:
            NotFound: a named document does not exist.
            RootRefused: the root answered with a document that was not named, or with what is no passage.
        """
        query = _words(question)
        if not query or (document_ids is not None and not document_ids):
            return []
        named = None if document_ids is None else list(dict.fromkeys(document_ids))
        try:
            found = [row for part in _parts(named) for row in await self._searched(query, part)]
        except NotFound:
            # Either a document is missing, which reading it says, or this root does not know passages.
            found = await self._whole(query, named)
        found.sort(key=lambda row: (-float(row.get("score") or 0), str(row["document_id"]), row["start"]))
        return [_item(row) for row in found[:MOST_PASSAGES]]

    async def _searched(self, query: str, named: Sequence[str] | None) -> list[Mapping[str, Any]]:
        found = await self._client.search_passages(self._tenant, query, document_ids=named, limit=MOST_PASSAGES)
        rows = objects(listed(found.data, "passages", "passages"), "passages")
        return [_checked(oracle.passage(row), named) for row in rows]

    async def _whole(self, query: str, named: Sequence[str] | None) -> list[Mapping[str, Any]]:
        if named is None:
            found = await self._client.list_documents(self._tenant, q=query[:500], limit=_MOST_DOCUMENTS, text=True)
            documents = [oracle.document(d) for d in objects(listed(found.data, "documents", "documents"), "documents")]
        else:
            documents = [document async for document in self._documents(named)]
        # A megabyte of foreign text takes its time, which is not taken from the event loop.
        return await asyncio.to_thread(lambda: [part for document in documents for part in _cut(document)])

    async def _documents(self, named: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
        size = 0
        for name in named:
            fetched = await self._client.get_document(self._tenant, name)
            size = added_up(size, fetched)
            yield oracle.document(fetched.data, name)


def _words(question: str) -> str:
    """Return a question's words, each once; of one that no URL holds the last, where the asking stands."""
    words = list(dict.fromkeys(reversed(_WORD.findall(question))))
    kept: list[str] = []
    room = _LONGEST_QUERY
    for word in words:
        room -= len(word) + 1
        if room < 0:
            break
        kept.append(word)
    return " ".join(reversed(kept))


def _parts(named: Sequence[str] | None) -> Iterator[Sequence[str] | None]:
    """Yield the ids in parts that fit into a URL; none at all stands for every document."""
    if named is None:
        yield None
        return
    part: list[str] = []
    room = _LONGEST_IDS
    for name in named:
        room -= len(name) + len("&document_id=")
        if part and room < 0:
            yield part
            part, room = [], _LONGEST_IDS - len(name)
        part.append(name)
    if part:
        yield part


def _checked(row: Mapping[str, Any], named: Sequence[str] | None) -> Mapping[str, Any]:
    """Return the passage if it is one, and of a document that was asked for: the root does not widen the pass."""
    text, start, end = row.get("text"), row.get("start"), row.get("end")
    whole = isinstance(text, str) and isinstance(start, int) and isinstance(end, int) and end - start == len(text)
    if not whole or "document_id" not in row:
        raise RootRefused("malformed payload: the root's answer holds what is no passage", code="malformed_payload")
    if named is not None and row["document_id"] not in named:
        raise RootRefused("the root answered with a document that was not asked for", code="root_answer_out_of_scope")
    return row


def _cut(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    text = str(document.get("text") or "")
    for part in cut(text):
        stretch = {"start": part.start, "end": part.end, "heading": part.heading}
        yield {**document, "characters": len(text), **stretch, "text": text[part.start : part.end]}


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    title, heading = str(row.get("title") or ""), str(row.get("heading") or "")
    shown = f"{title} \u203a {heading}" if heading and heading != title else title
    return {"entity": "document", "id": str(row["document_id"]), "title": shown, "etag": None, "data": dict(row)}

"""Oracle's border: pages, documents and passages into Colony's values, and proposals about pages into its writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.root.paths import page_path
from adapters.root.reading import identified, malformed, text_of, unwrapped
from contracts.errors import RootRefused
from contracts.evidence import WritebackProposal

_PAGE = ("page_id", "id", "pageId", "slug")
_DOCUMENT = ("document_id", "id", "documentId", "doc_id")
_TEXT = ("text", "content", "body")


def page(data: Mapping[str, Any], page_id: str) -> dict[str, Any]:
    """Return ``{page_id, …}`` with every field."""
    return identified(unwrapped(data, "page", *_PAGE), "page", *_PAGE, expected=page_id)


def document(data: Mapping[str, Any], document_id: str | None = None) -> dict[str, Any]:
    """Return ``{document_id, title?, source?, text?, …}``; what is there of text is a text."""
    record = identified(unwrapped(data, "document", *_DOCUMENT), "document", *_DOCUMENT, expected=document_id)
    said = text_of(record, "document", *_TEXT)
    return record if said is None else {**{k: v for k, v in record.items() if k not in _TEXT}, "text": said}


def passage(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{document_id, start, end, score, text, …}``; numbers may come as texts."""
    record = document(data)
    try:
        places = {name: int(record[name]) for name in ("start", "end")}
        score = float(record.get("score") or 0)
    except (KeyError, TypeError, ValueError) as exc:
        raise malformed("passage", "does not say where it stands") from exc
    return {**record, **places, "score": score}


def call_of(proposal: WritebackProposal) -> tuple[str, str]:
    """Return method and path of the write that a proposal about a page is.

    Raises:
        RootRefused: there is no such write.
    """
    if proposal.operation != "patch":
        raise RootRefused(f"the root has no {proposal.operation} on page", code="unknown_write")
    return "PATCH", page_path(proposal.target.id)

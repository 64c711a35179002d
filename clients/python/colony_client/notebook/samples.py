"""Leads to try things on, put into the embedded root over HTTP like any import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from colony_client.errors import told
from colony_client.notebook.missions import Colony


def a_lead(
    colony: Colony,
    attributes: Mapping[str, Any],
    messages: Sequence[tuple[str, str]],
    *,
    lead_id: str | None = None,
) -> str:
    """Put a lead with one conversation into the service's embedded root, and return its id.

    Args:
        colony: the service.
        attributes: the lead's fields, such as ``name`` and ``stage``.
        messages: what was written, as ``(author, text)``; an author is ``lead`` or ``agent``.
        lead_id: the lead's id; otherwise a new one.

    Raises:
        ColonyError: the service has no embedded root.
        ValueError: the root does not take the lead as it is.
    """
    lead_id = lead_id or f"L-{uuid4().hex[:8]}"
    written = [{"author": author, "text": text} for author, text in messages]
    chat = {"conversation_id": f"C-{lead_id}", "lead_id": lead_id, "channel": "whatsapp", "messages": written}
    for kind, item in (("leads", {"lead_id": lead_id, "attributes": dict(attributes)}), ("chats", chat)):
        answer = httpx.post(colony.client.link(f"root/import/{kind}"), json={"items": [item]}, timeout=30)
        if refused := told(answer).json()["rejected"]:
            raise ValueError(f"{kind}: {refused[0]['reason']}")
    return lead_id

"""How a prompt becomes chat messages, and how evidence is framed so that no text in it can pass for anything else.

The first block of the human message holds instructions and parameters as JSON. Every piece of evidence then takes two
blocks: its header as JSON, and its raw text. The frame is the list itself, so nothing inside a text can close it.
"""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from contracts.errors import Malformed
from contracts.ports import EvidenceBlock, Prompt


def to_messages(prompt: Prompt) -> list[BaseMessage]:
    """Return the prompt as messages for any chat model."""
    head = {"instructions": prompt.package.instructions, **dict(prompt.parameters)}
    blocks: list[str | dict[str, Any]] = [_text(json.dumps(head, ensure_ascii=False, sort_keys=True))]
    for block in prompt.evidence:
        header = {"evidence": block.label, "kind": block.kind, "trust": block.trust, "title": block.title}
        blocks += [_text(json.dumps(header, ensure_ascii=False, sort_keys=True)), _text(block.text)]
    return [SystemMessage(content=prompt.package.system), HumanMessage(content=blocks)]


def from_messages(messages: list[BaseMessage]) -> tuple[dict[str, Any], list[EvidenceBlock]]:
    """Read parameters and evidence back from messages; plain text without the frame is one piece of evidence.

    Raises:
        Malformed: the frame is broken.
    """
    human = next((m for m in reversed(messages) if isinstance(m, HumanMessage)), None)
    if human is None:
        return {}, []
    if isinstance(human.content, str):
        return {}, [EvidenceBlock("E1", "document", "web", "", human.content)]
    texts = [str(block.get("text", "")) if isinstance(block, dict) else block for block in human.content]
    if len(texts) % 2 == 0:
        raise Malformed("a prompt's evidence blocks come in pairs", code="prompt_malformed")
    try:
        head = json.loads(texts[0])
        headers = [json.loads(text) for text in texts[1::2]]
        blocks = [
            EvidenceBlock(h["evidence"], h["kind"], h["trust"], h["title"], text)
            for h, text in zip(headers, texts[2::2], strict=True)
        ]
    except (ValueError, KeyError, TypeError) as exc:
        raise Malformed("a prompt's blocks can't be read", code="prompt_malformed") from exc
    return head, blocks


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}

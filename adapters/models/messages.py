"""How a prompt becomes chat messages, and how evidence is framed so that no text in it can pass for anything else.

The first block of the human message holds instructions and parameters as JSON. Every piece of evidence then takes two
blocks: its header as JSON, and its raw text. The frame is the list itself, so nothing inside a text can close it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from contracts.base import Value
from contracts.canonical import canonical_bytes
from contracts.errors import Malformed
from contracts.ports import EvidenceBlock, Prompt

_MOST_REPEATED = 8_000


def to_messages(prompt: Prompt) -> list[BaseMessage]:
    """Return the prompt as messages for any chat model."""
    head = {"instructions": prompt.package.instructions, **dict(prompt.parameters)}
    if prompt.package.exemplars:
        head["examples"] = [exemplar.shown() for exemplar in prompt.package.exemplars]
    blocks: list[str | dict[str, Any]] = [text_block(json.dumps(head, ensure_ascii=False, sort_keys=True))]
    blocks += evidence_blocks(prompt.evidence)
    return [SystemMessage(content=prompt.package.system), HumanMessage(content=blocks)]


def evidence_blocks(evidence: Sequence[EvidenceBlock]) -> list[dict[str, Any]]:
    """Return two blocks for each piece of evidence: its header, and its raw text."""
    blocks = []
    for block in evidence:
        header = {"evidence": block.label, "kind": block.kind, "trust": block.trust, "title": block.title}
        blocks += [text_block(json.dumps(header, ensure_ascii=False, sort_keys=True)), text_block(block.text)]
    return blocks


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


def repair(output: type[Value], answer: str, problem: str) -> list[BaseMessage]:
    """Return what follows an answer that does not fit: the answer, what is wrong with it, and the schema once more."""
    schema = json.dumps(convert_to_openai_tool(output)["function"]["parameters"], ensure_ascii=False, sort_keys=True)
    asked = (
        f"That answer can't be used: {problem}. Answer again, by calling {output.__name__}, or with nothing but one "
        f"JSON object that fits this schema: {schema}"
    )
    return [AIMessage(content=answer[:_MOST_REPEATED] or "(no answer)"), HumanMessage(content=asked)]


def request_bytes(
    output: type[Value], messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]] = (), **asked: str
) -> bytes:
    """Return what is recorded of a request: the schema asked for, the tools offered, and every message.

    ``asked`` says of whom, where that matters.
    """
    plain = [_recorded(m) for m in messages]
    offered = {"tools": list(tools)} if tools else {}
    return canonical_bytes({"schema": output.__name__, "messages": plain, **offered, **asked})


def _recorded(message: BaseMessage) -> Any:
    content = message.content if isinstance(message.content, str | list) else str(message.content)
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return {"content": content, "calls": [dict(call) for call in calls]} if calls else content


def text_block(text: str) -> dict[str, Any]:
    """Return a text as a block of a message."""
    return {"type": "text", "text": text}

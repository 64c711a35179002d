"""The built-in extractive model as a LangChain chat model: deterministic, offline, free, and never inventive.

It answers by filling the schema that is bound as a tool, from the evidence in its prompt. Without a bound schema it
answers in text with the passages that fit the last question, or says that there are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from adapters.models.extractive import Evidence, FactKey, Span, answer_question, assess_engagement, extract_facts
from adapters.models.messages import from_messages
from contracts.ports import EvidenceBlock
from contracts.quotes import widened

Filled = dict[str, Any]
_CHARACTERS_PER_TOKEN = 4
_NOTHING = "Not supported by the evidence."


class ExtractiveChatModel(BaseChatModel):
    """Reads the evidence in its prompt and fills the schema asked for; equal prompts get equal answers."""

    model_name: str = "extractive-1"

    @property
    def _llm_type(self) -> str:
        return "colony-extractive"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind the schemas that may be filled; the first, or the chosen one, is."""
        schemas = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=schemas, tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        parameters, blocks = from_messages(messages)
        schemas = [tool["function"] for tool in kwargs.get("tools") or []]
        if schemas:
            chosen = next((s for s in schemas if s["name"] == kwargs.get("tool_choice")), schemas[0])
            filled = fill(chosen["parameters"], parameters, blocks)
            call = {"name": chosen["name"], "args": filled, "id": "call_1", "type": "tool_call"}
            message = AIMessage(content="", tool_calls=[call])
            said = json.dumps(filled)
        else:
            said = _answer(parameters, blocks)["text"] or _NOTHING
            message = AIMessage(content=said)
        message.response_metadata = {"model_name": self.model_name}
        read = sum(len(str(m.content)) for m in messages)
        message.usage_metadata = UsageMetadata(
            input_tokens=_tokens(read),
            output_tokens=_tokens(len(said)),
            total_tokens=_tokens(read) + _tokens(len(said)),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._generate(messages, stop, **kwargs).generations[0].message
        for chunk in _pieces(cast("AIMessage", message)):
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.content))
            yield ChatGenerationChunk(message=chunk)


def _pieces(message: AIMessage) -> Iterator[AIMessageChunk]:
    """Cut a message into the pieces that it is streamed in: word by word, a filled schema whole."""
    words = re.findall(r"\S+\s*", str(message.content))
    yield from (AIMessageChunk(content=word) for word in words)
    calls = [
        ToolCallChunk(name=c["name"], args=json.dumps(c["args"]), id=c["id"], index=0, type="tool_call_chunk")
        for c in message.tool_calls
    ]
    yield AIMessageChunk(
        content="",
        tool_call_chunks=calls,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)


def fill(schema: dict[str, Any], parameters: dict[str, Any], blocks: Sequence[EvidenceBlock]) -> Filled:
    """Fill a JSON schema from evidence, by what its properties ask for.

    A sheet of facts, an engagement and a cited answer are known by their shape; of any other schema each property is a
    fact to be found, by its name and description.
    """
    properties = schema.get("properties", {})
    if "facts" in properties:
        return {"facts": _facts(_asked(parameters), blocks)}
    if {"engagement", "intent"} <= properties.keys():
        return _engagement(blocks)
    if {"parts", "drop"} <= properties.keys():
        return {"parts": [], "drop": [], "reason": "a template's plan stands as it is"}
    if {"status", "support"} <= properties.keys():
        return _answer(parameters, blocks)
    keys = [FactKey(name, str(p.get("description", "")), _values(p)) for name, p in properties.items()]
    return {fact["key"]: _typed(properties[fact["key"]], fact["value"]) for fact in _facts(keys, blocks)}


def _asked(parameters: dict[str, Any]) -> list[FactKey]:
    return [
        FactKey(k["key"], k.get("description", ""), tuple(k["values"]) if k.get("values") else None)
        for k in parameters.get("fact_schema", [])
    ]


def _values(schema: dict[str, Any]) -> tuple[str, ...] | None:
    if schema.get("type") == "boolean":
        return ("true", "false")
    return tuple(str(v) for v in schema["enum"]) if "enum" in schema else None


def _typed(schema: dict[str, Any], value: str) -> Any:
    """Return a value as its schema's type where it is written so, else as the text that stands in the evidence."""
    if schema.get("type") == "boolean":
        return value == "true"
    if schema.get("type") in {"integer", "number"} and value.replace(".", "", 1).isdigit():
        return int(value) if schema["type"] == "integer" and value.isdigit() else float(value)
    return value


def _evidence(blocks: Sequence[EvidenceBlock]) -> list[Evidence]:
    return [Evidence(b.label, b.kind, b.trust, b.text) for b in blocks]


def _quoted(span: Span, blocks: Sequence[EvidenceBlock]) -> Filled:
    """Quote the whole sentence that a span stands in: a lone "3" could be found anywhere."""
    text = next(b.text for b in blocks if b.label == span.artifact_id)
    start, end = widened(text, span.start, span.end)
    return {"evidence": span.artifact_id, "quote": text[start:end]}


def _facts(keys: Sequence[FactKey], blocks: Sequence[EvidenceBlock]) -> list[Filled]:
    found = extract_facts(keys, _evidence(blocks))
    return [{"key": f.key, "value": f.value, "support": _quoted(f.span, blocks)} for f in found]


def _engagement(blocks: Sequence[EvidenceBlock]) -> Filled:
    judged = assess_engagement(_evidence(blocks))
    reasons = [{"text": r.text, "support": _quoted(r.span, blocks)} for r in judged.reasons]
    return {"engagement": judged.engagement, "intent": judged.intent, "reasons": reasons}


def _answer(parameters: dict[str, Any], blocks: Sequence[EvidenceBlock]) -> Filled:
    question = str(parameters.get("question") or (blocks[-1].text if blocks else ""))
    answer = answer_question(question, _evidence(blocks))
    return {"status": answer.status, "text": answer.text, "support": [_quoted(s, blocks) for s in answer.spans]}

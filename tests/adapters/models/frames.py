"""Answers that call tools, streamed in the frames that both wires' recordings have."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Call = tuple[str, Mapping[str, Any] | str]
_PIECE = 20


def streamed(provider: str, calls: Sequence[Call]) -> str:
    """Return the body of an answer that makes these calls; arguments given as text are sent as they are."""
    return {"openai": _openai, "anthropic": _anthropic}[provider](calls)


def _pieces(arguments: Mapping[str, Any] | str) -> list[str]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]


def _openai(calls: Sequence[Call]) -> str:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795251848, "model": "steady"}

    def frame(delta: Mapping[str, Any], ending: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ending}
        return f"data: {json.dumps(base | {'choices': [choice]})}\n\n"

    frames = [frame({"role": "assistant", "content": None})]
    for n, (name, arguments) in enumerate(calls):
        head = {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": ""}}
        frames.append(frame({"tool_calls": [head]}))
        frames += [frame({"tool_calls": [{"index": n, "function": {"arguments": p}}]}) for p in _pieces(arguments)]
    usage = {"prompt_tokens": 321, "completion_tokens": 87, "total_tokens": 408}
    frames += [frame({}, "tool_calls"), f"data: {json.dumps(base | {'choices': [], 'usage': usage})}\n\n"]
    return "".join([*frames, "data: [DONE]\n\n"])


def _anthropic(calls: Sequence[Call]) -> str:
    usage = {"input_tokens": 321, "output_tokens": 87}

    def frame(kind: str, **rest: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **rest})}\n\n"

    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "steady"}
    frames = [frame("message_start", message=message | {"stop_reason": None, "stop_sequence": None, "usage": usage})]
    for n, (name, arguments) in enumerate(calls):
        block = {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": {}}
        frames.append(frame("content_block_start", index=n, content_block=block))
        frames += [
            frame("content_block_delta", index=n, delta={"type": "input_json_delta", "partial_json": piece})
            for piece in _pieces(arguments)
        ]
        frames.append(frame("content_block_stop", index=n))
    delta = {"stop_reason": "tool_use", "stop_sequence": None}
    return "".join([*frames, frame("message_delta", delta=delta, usage=usage), frame("message_stop")])

"""Record answers of aimock as the recordings that `make test` replays: ``python -m tests.external.record PORT``."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx

RECORDINGS = Path(__file__).parents[1] / "adapters" / "models" / "recordings"
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
CASES = {
    "facts": ("steady", "FactSheet", 0),
    "engagement": ("steady", "Engagement", 0),
    "answer": ("steady", "CitedAnswer", 0),
    "text": ("rambling", "FactSheet", 0),
    "garbled": ("garbled", "FactSheet", 0),
    "misfit": ("hopeless", "FactSheet", 0),
    "limited": ("limited", "FactSheet", 0),
    "unavailable": ("unknown", "Nothing", 0),
}


def body(provider: str, model: str, tool: str) -> dict[str, Any]:
    """Return the smallest request that aimock answers for a model and a tool."""
    asked = {"model": model, "stream": True, "max_tokens": 500, "messages": [{"role": "user", "content": "go"}]}
    schema = {"type": "object", "properties": {}}
    if provider == "anthropic":
        return asked | {"tools": [{"name": tool, "input_schema": schema}]}
    function = {"name": tool, "description": "", "parameters": schema}
    return asked | {"stream_options": {"include_usage": True}, "tools": [{"type": "function", "function": function}]}


def record(port: int) -> None:
    """Ask for every case over both wires and keep status, content type and body."""
    for provider, path in PATHS.items():
        cases = {}
        for name, (model, tool, _) in CASES.items():
            headers = {"Authorization": "Bearer k", "x-api-key": "k", "anthropic-version": "2023-06-01"}
            answer = httpx.post(f"http://127.0.0.1:{port}{path}", json=body(provider, model, tool), headers=headers)
            # Anthropic's own API repeats the input tokens at the end; aimock leaves them out.
            text = answer.text.replace(
                '"usage":{"output_tokens":87}', '"usage":{"input_tokens":321,"output_tokens":87}'
            )
            kept = {k: v for k, v in answer.headers.items() if k in {"content-type", "retry-after"}}
            cases[name] = {"status": answer.status_code, "headers": kept, "body": text}
        text = json.dumps(cases, indent=1, ensure_ascii=False, sort_keys=True)
        (RECORDINGS / f"{provider}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(int(sys.argv[1]))

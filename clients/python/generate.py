"""Write the client's types from a running service's description: ``python clients/python/generate.py URL``."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

TYPES = Path(__file__).parent / "colony_client" / "types.py"
_HEAD = '"""The shapes of the API, written by `generate.py` from the service\'s own description. Don\'t edit."""'
_IMPORTS = "from typing import Any, Literal, TypeAlias, TypedDict"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
Schema = Mapping[str, Any]


def rendered(described: Schema) -> str:
    """Return the module: every shape that an answer of ``/api/colony`` leads to, in the order of their names."""
    schemas = described["components"]["schemas"]
    answers = [
        answer
        for path, operations in described["paths"].items()
        if path.startswith("/api/colony/")
        for operation in operations.values()
        for answer in operation["responses"].values()
    ]
    wanted: set[str] = set()
    _reach(answers, schemas, wanted)
    lines = [
        _HEAD,
        "",
        "from __future__ import annotations",
        "",
        "from typing import Any, Literal, TypeAlias, TypedDict",
        "",
    ]
    aliases = sorted(n for n in wanted if not _is_object(schemas[n]))
    lines += [line for name in aliases for line in (f'{_name(name)}: TypeAlias = "{_type(schemas[name])}"',)]
    for name in sorted(wanted - set(aliases)):
        lines += ["", "", *_class(name, schemas[name])]
    return "\n".join(lines) + "\n"


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _reach(node: Any, schemas: Schema, found: set[str]) -> None:
    if isinstance(node, Mapping):
        if isinstance(ref := node.get("$ref"), str):
            name = ref.rpartition("/")[2]
            if name in schemas and name not in found:
                found.add(name)
                _reach(schemas[name], schemas, found)
        for value in node.values():
            _reach(value, schemas, found)
    elif isinstance(node, list):
        for value in node:
            _reach(value, schemas, found)


def _class(name: str, schema: Schema) -> Iterator[str]:
    fields = {key: _type(value) for key, value in schema["properties"].items()}
    text = " ".join(str(schema.get("description", "")).split("\n\n")[0].split()).replace("\\", "/")
    total = "" if set(schema.get("required", ())) == set(fields) else ", total=False"
    if any(keyword.iskeyword(key) or not key.isidentifier() for key in fields):
        inside = ", ".join(f'"{key}": {kind!r}' for key, kind in fields.items())
        yield f'{_name(name)} = TypedDict("{_name(name)}", {{{inside}}}{total})'
        return
    yield f"class {_name(name)}(TypedDict{total}):"
    if text:
        yield f'    """{text if text.endswith(".") else text + "."}"""'
        yield ""
    yield from (f"    {key}: {kind}" for key, kind in fields.items())
    if not fields:
        yield "    pass"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _name(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if found := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(one) for one in found))
    if schema.get("type") == "array":
        return f"list[{_type(schema.get('items', {}))}]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values) if isinstance(values, Mapping) else 'Any'}]"
    return _PLAIN.get(str(schema.get("type")), "Any")


def _name(name: str) -> str:
    """Return a class's name; where two shapes share one, the description names their modules, too."""
    *_, module, own = ("", *name.rsplit("__", 1)) if "__" in name else ("", "", name)
    return "".join(part.title() for part in module.rpartition("__")[2].removeprefix("shapes_").split("_")) + own


if __name__ == "__main__":
    description = httpx.get(f"{sys.argv[1].rstrip('/')}/openapi.json", timeout=30).raise_for_status().json()
    TYPES.write_text(rendered(description), encoding="utf-8")

"""What each question carries, as docs/policies.md shows it, from the schema: ``python -m tests.policies.reference``."""

import re
from pathlib import Path

from policies.rulefiles import SCHEMA_FILE, shipped_text

DOC = Path(__file__).parents[2] / "docs" / "policies.md"
BEGIN, END = "<!-- inputs: generated from the schema -->\n", "<!-- end of inputs -->"
_BLOCK = re.compile(r"^(entity|type|action) (\"?\w+\"?)[^{;]*\{(.*?)\};", re.MULTILINE | re.DOTALL)
_INPUT = re.compile(r"^ +(\w+): ([\w<>]+),(?: *// *(.*))?$", re.MULTILINE)
_OF = re.compile(r"(principal|resource): (\w+)")


def generated() -> str:
    """Return the tables: who asks about what, and what is known of each."""
    blocks = [(kind, name.strip('"'), body) for kind, name, body in _BLOCK.findall(shipped_text(SCHEMA_FILE))]
    lines = ["| action | principal | resource |", "|---|---|---|"]
    for kind, name, body in blocks:
        if kind == "action":
            of = dict(_OF.findall(body))
            lines.append(f"| `{name}` | {of['principal']} | {of['resource']} |")
    for kind, name, body in blocks:
        inputs = [found for found in _INPUT.findall(body) if found[0] not in {"principal", "resource"}]
        if not inputs:
            continue
        title = f"`context` of `{name}`" if kind == "action" else name
        lines += ["", f"**{title}**", "", "| input | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{field}` | {of_type.replace('<', ' of ').rstrip('>')} | {said} |" for field, of_type, said in inputs
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = DOC.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOC.write_text(f"{before}{BEGIN}\n{generated()}\n{END}{after}", encoding="utf-8")

"""Lock the versions of new prompts: ``python -m adapters.prompts``. What is locked already is never changed."""

import json
import sys

from adapters.prompts.lint import problems
from adapters.prompts.registry import FOLDER, TemplateRegistry

if __name__ == "__main__":
    registry = TemplateRegistry()
    locked = {**registry.versions(), **registry.locked}
    (FOLDER / "versions.json").write_text(json.dumps(locked, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    found = problems(TemplateRegistry())
    sys.stdout.write("".join(f"{one}\n" for one in found))
    sys.exit(bool(found))

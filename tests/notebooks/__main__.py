"""Run every notebook top to bottom on one service and keep the executed copies: ``python -m tests.notebooks``."""

import sys
import time

import nbformat
from colony_client.notebook import at_hand

from tests.notebooks.running import NAMES, ROOT, read, run


def main() -> None:
    """Run them; an error in a cell ends it."""
    kept = ROOT / "build" / "notebooks"
    kept.mkdir(parents=True, exist_ok=True)
    service = at_hand(ROOT / ".colony" / "notebooks").client.link("").rstrip("/")
    for name in NAMES:
        began, notebook = time.monotonic(), read(name)
        run(notebook, {"COLONY_SERVICE_BASE_URL": service})
        nbformat.write(notebook, kept / f"{name}.ipynb")
        sys.stdout.write(f"{name}: {time.monotonic() - began:.1f} s, {(kept / name).relative_to(ROOT)}.ipynb\n")


main()

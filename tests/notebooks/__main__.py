"""Run every notebook on one service and keep the executed copies: ``python -m tests.notebooks``.

``--bare`` takes out of the stored ones what a run left in them.
"""

import sys
import time

import nbformat
from colony_client.notebook import at_hand
from nbformat.sign import NotebookNotary

from tests.notebooks.running import FOLDER, NAMES, ROOT, bare, read, run


def executed() -> None:
    """Run them; an error in a cell ends it."""
    kept = ROOT / "build" / "notebooks"
    kept.mkdir(parents=True, exist_ok=True)
    service = at_hand(ROOT / ".colony" / "notebooks").client.link("").rstrip("/")
    for name in NAMES:
        began, notebook = time.monotonic(), read(name)
        run(notebook, {"COLONY_SERVICE_BASE_URL": service})
        nbformat.write(notebook, kept / f"{name}.ipynb")
        NotebookNotary().sign(notebook)  # JupyterLab strips the pictures of a notebook that was not run here
        sys.stdout.write(f"{name}: {time.monotonic() - began:.1f} s, {(kept / name).relative_to(ROOT)}.ipynb\n")


if sys.argv[1:] == ["--bare"]:
    for one in NAMES:
        (FOLDER / f"{one}.ipynb").write_text(bare(read(one)), encoding="utf-8")
else:
    executed()

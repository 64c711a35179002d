"""Running notebooks top to bottom in a kernel of their own, and reading what they show."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def read(name: str) -> nbformat.NotebookNode:
    """Return a notebook as it is stored."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def bare(notebook: nbformat.NotebookNode) -> str:
    """Return a notebook as it is stored: without what a run leaves in it, so that a change shows what was changed."""
    cells = [
        {**cell, "metadata": {}, **({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})}
        for cell in notebook.cells
    ]
    whole = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return str(nbformat.writes(nbformat.from_dict(whole))) + "\n"


def run(notebook: nbformat.NotebookNode, environment: Mapping[str, str], patience_s: int = 120) -> None:
    """Execute every cell, in order; the outputs go into the notebook.

    Raises:
        CellExecutionError: a cell raised an error.
        CellTimeoutError: a cell took too long.
    """
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])  # the code beside these tests
    env = {**os.environ, "PYTHONPATH": path, **environment}
    with tempfile.TemporaryDirectory(prefix="nb-", dir="/tmp") as folder:
        # Sockets by path: a free port that was found may be somebody else's by the time that the kernel binds it.
        sockets = Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
        resources = {"metadata": {"path": FOLDER}}
        NotebookClient(notebook, timeout=patience_s, kernel_name="python3", resources=resources, config=sockets).execute(env=env)


def shown(notebook: nbformat.NotebookNode, cell_id: str, kind: str = "text/plain") -> str:
    """Return what a cell shows, as text or as HTML."""
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    return "\n".join(_outputs(cell, kind))


def _outputs(cell: nbformat.NotebookNode, kind: str) -> Iterator[str]:
    for output in cell.outputs:
        if output.output_type == "stream" and kind == "text/plain":
            yield output.text
        elif output.output_type in {"execute_result", "display_data"} and kind in output.data:
            yield output.data[kind]

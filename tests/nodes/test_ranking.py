"""What fits a question best is the same in every process, whatever order its sets have there."""

import os
import subprocess
import sys
from pathlib import Path

_RANK = """
from itertools import islice, permutations
from nodes.ranking import best
words = "alpha bravo cedar delta ember fjord".split()
counts = islice(permutations((1, 2, 3, 4, 5, 7)), 0, 720, 37)
texts = [" ".join(w for w, n in zip(words, one) for _ in range(n)) for one in counts]
print(best(" ".join(words), texts, len(texts)))
"""


def test_texts_that_fit_alike_are_ranked_alike_in_every_process() -> None:
    here = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    ranked = {
        subprocess.run(
            [sys.executable, "-c", _RANK],
            env=here | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(ranked) == 1

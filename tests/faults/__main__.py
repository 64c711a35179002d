"""`python -m tests.faults`: faults by the count, with what the checker found; exits 1 when a promise was broken."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from tests.faults.cases import FAULTS
from tests.faults.checker import judged
from tests.faults.exercise import Result, exercise, own_cluster
from tests.faults.saboteurs import SABOTEURS

SEED = 20261121


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--slice", action="store_true", help="the counts of `make test` (the default)")
    which.add_argument(
        "--saboteurs", action="store_true", help="each mechanism taken away, once: violations are wanted"
    )
    which.add_argument("--saboteur", action="append", choices=list(SABOTEURS), help="only this one; may be repeated")
    which.add_argument("--full", action="store_true", help="the counts of `make chaos`")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--count", type=int, help="another count")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", action="store_true", help="results as JSON, one a line")
    parser.add_argument("--keep", type=Path, help="keep the evidence in this folder")
    parser.add_argument("--judge", type=Path, help="only judge a folder of evidence that was kept")
    return parser.parse_args()


def _said(result: Result) -> str:
    found = f"{len(result.violations)} violations" if result.violations else "no violation"
    return f"{result.fault:12} {result.count:5} times  {result.seconds:7.1f} s  {found}  {json.dumps(result.did)}"


def _saboteurs(only: Iterable[str], *, as_json: bool) -> int:
    """Run each saboteur; one that breaks nothing, or not what it should, is the failure."""
    quiet = 0
    for name in only:
        one = SABOTEURS[name]
        with tempfile.TemporaryDirectory(prefix="colony-faults-", dir="/tmp") as place:
            Path(place).chmod(0o755)
            with own_cluster(Path(place) / "home") as dsn:
                result = asyncio.run(exercise(name, Path(place) / "stand", dsn, count=1, seed=SEED, **one.without_it()))
        print(json.dumps(result.as_json()) if as_json else _said(result), flush=True)  # noqa: T201
        for violation in result.violations[:3]:
            print(f"  {violation.rule}: {violation.what}", file=sys.stderr)  # noqa: T201
        quiet += not one.rules <= {violation.rule for violation in result.violations}
    return int(quiet > 0)


def main() -> int:
    """Run what was asked for."""
    asked = _options()
    if asked.judge:
        for violation in (found := judged(asked.judge)):
            print(f"{violation.rule} {violation.mission_id or '-'}: {violation.what}")  # noqa: T201
        return int(bool(found))
    if asked.saboteurs or asked.saboteur:
        return _saboteurs(asked.saboteur or SABOTEURS, as_json=asked.json)
    broken = 0
    for name in asked.fault or FAULTS:
        count = asked.count or (FAULTS[name].full if asked.full else FAULTS[name].slice)
        folder = Path(tempfile.mkdtemp(prefix="colony-faults-", dir="/tmp"))
        folder.chmod(0o755)
        with nullcontext("") if FAULTS[name].own_store else own_cluster(folder / "home") as dsn:
            result = asyncio.run(exercise(name, folder / "stand", dsn, count=count, seed=asked.seed))
        print(json.dumps(result.as_json()) if asked.json else _said(result), flush=True)  # noqa: T201
        for violation in result.violations[:20]:
            print(f"  {violation.rule} {violation.mission_id or '-'}: {violation.what}", file=sys.stderr)  # noqa: T201
        broken += bool(result.violations)
        if asked.keep or result.violations:
            kept = (asked.keep or folder) / name
            shutil.move(folder / "stand", kept)
            print(f"  evidence: {kept}", file=sys.stderr)  # noqa: T201
        else:
            shutil.rmtree(folder)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())

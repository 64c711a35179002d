import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from contracts.released import released
from server.verify import packet
from server.verify.plain import Record
from tests.server.verify.values import aggregated, changes_of, claims_of, evidence, reviewed

ROOT = Path(__file__).resolve().parents[3]


def verify(*arguments):
    command = [sys.executable, "-m", "server.verify", *map(str, arguments)]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def path(tmp_path, bundle):
    file = tmp_path / "mission.zip"
    file.write_bytes(bundle)
    return file


def test_a_good_bundle_exits_0(path):
    done = verify(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("verified\n")


def test_a_bad_bundle_exits_1_and_names_what_does_not_hold(path):
    path.write_bytes(path.read_bytes().replace(b"450k", b"540k"))
    done = verify(path, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert not report["ok"]
    assert report["first_failure"]["name"] == "archive"
    assert "damaged" in report["first_failure"]["detail"]


def test_wrong_usage_exits_2(tmp_path):
    assert verify().returncode == 2
    assert verify(tmp_path / "nothing.zip").returncode == 2
    assert verify("--what").returncode == 2


def test_it_runs_on_the_standard_library_alone(path):
    """In isolation from every installed package, from nothing but its own folder and its parent."""
    script = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from server.verify.__main__ import main; "
    command = [sys.executable, "-I", "-S", "-c", script + f"sys.exit(main([{str(path)!r}]))"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


CLAIMS = claims_of(evidence())


@pytest.mark.parametrize("withheld", [w for n in range(4) for w in combinations(CLAIMS, n)], ids=len)
def test_the_verifier_filters_a_packet_as_the_service_does(withheld):
    made = aggregated(CLAIMS, changes_of(CLAIMS))
    for one in (made, made.model_copy(update={"answer": None})):
        review = reviewed(CLAIMS, "release", list(withheld))
        filtered = packet.released(Record("", one.model_dump(mode="json")), Record("", review.model_dump(mode="json")))
        assert filtered == released(one, review).model_dump(mode="json")

"""What Colony is made of: locked, hashed, from nowhere in particular, and what is installed is what is locked."""

import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.markers import Marker

PROJECT = Path(__file__).parents[1]
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-audit.lock",
    "requirements-lab.lock",
    "requirements-studio.lock",
)
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,-]+\])?==(\S+?)(?: ; (.+?))? \\$")


def pinned(lock: str) -> dict[str, tuple[str, str, int]]:
    """Return by name the version, the marker and how many hashes there are."""
    found: dict[str, tuple[str, str, int]] = {}
    name = ""
    for line in (PROJECT / lock).read_text(encoding="utf-8").splitlines():
        if match := _PINNED.match(line):
            name = match[1]
            found[name] = (match[2], match[3] or "", 0)
        elif line.strip().startswith("--hash=sha256:"):
            was = found[name]
            found[name] = (was[0], was[1], was[2] + 1)
        else:
            assert line.strip().startswith("#"), f"{lock}: {line}"
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes_and_no_index_is_named(lock: str) -> None:
    packages = pinned(lock)
    assert len(packages) > 40
    assert [name for name, (_, _, hashes) in packages.items() if not hashes] == []
    assert "://" not in (PROJECT / lock).read_text(encoding="utf-8")


def test_what_is_installed_is_what_is_locked() -> None:
    for name, (locked, marker, _) in pinned("requirements.lock").items():
        if marker and not Marker(marker).evaluate():
            continue
        try:
            assert version(name) == locked, name
        except PackageNotFoundError:
            pytest.fail(f"{name} is locked and not installed")


@pytest.mark.parametrize("folder", ["clients/typescript", "tests/clients/js"])
def test_every_package_of_node_is_pinned_with_a_hash_and_no_registry_is_named(folder: str) -> None:
    locked = json.loads((PROJECT / folder / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: about for name, about in locked["packages"].items() if name}
    assert len(packages) > 10
    assert [name for name, about in packages.items() if not about.get("integrity", "").startswith("sha512-")] == []
    assert [name for name, about in packages.items() if "resolved" in about] == []

"""One bundle for one mission: what says the same in another way is another file, and refused."""

import pytest

from tests.server.verify.forge import changed, found, lines, put_lines, sealed

LISTS = ["artifacts", "approvals", "grants", "writebacks", "model_calls", "tool_calls", "events"]


@pytest.mark.parametrize("name", LISTS)
def test_a_field_that_no_line_has_is_refused(files, name):
    changed(files, f"{name}.jsonl", lambda line: line.update(zz=1), 0)
    found(sealed(files), "form", f"`zz` is no field of {name}")


@pytest.mark.parametrize("part", ["lineage", "budget", "usage", None])
def test_a_field_that_no_mission_has_is_refused(files, part):
    changed(files, "mission.json", lambda mission: (mission[part] if part else mission).update(zz=1))
    found(sealed(files), "form", "`zz` is no field of a mission")


@pytest.mark.parametrize("name", ["artifacts", "model_calls", "tool_calls"])
def test_a_line_that_is_there_twice_is_refused(files, name):
    held = lines(files, f"{name}.jsonl")
    put_lines(files, f"{name}.jsonl", [held[0], *held])
    found(sealed(files), "form", "is there twice, or is out of order")


@pytest.mark.parametrize("name", ["artifacts"])
def test_lines_in_another_order_are_refused(files, name):
    held = lines(files, f"{name}.jsonl")
    assert len(held) > 1
    put_lines(files, f"{name}.jsonl", held[::-1])
    found(sealed(files), "form", "is there twice, or is out of order")


@pytest.mark.parametrize("name", ["extra.json", "notes.jsonl", "signature.json"])
def test_a_file_that_no_bundle_has_is_refused(files, name):
    files[name] = b"{}"
    found(sealed(files), "inventory", "a file that no bundle has")

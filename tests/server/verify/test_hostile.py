"""Bytes that nobody meant: flipped, cut, packed otherwise, or made to break whoever reads them."""

import json
import os
import struct
import zipfile
from io import BytesIO

import pytest

from contracts.canonical import canonical_bytes
from server.verify import CHECKS, render, verify_bundle, verify_bytes
from server.verify.archive import MAX_BYTES, MAX_FILES
from tests.server.verify.forge import archived, chances, files_of, sealed
from tests.support import sampled

UNREADABLE = "can't be made sense of"
HOSTILE = [None, True, -1, 10**30, 1e308, "", "x", "\x1b[2J\u202e", [], [None], {}, {"id": 1, "sha256": []}, "ra_" * 99]


def refused(data, check="archive", sentence=""):
    report = verify_bytes(data)
    assert not report.ok
    assert report.first_failure.name == check, render(report)
    assert sentence in report.first_failure.detail, report.first_failure.detail


def flipped(data, position, bit=0):
    return data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]


def test_a_flipped_byte_in_any_file_is_found(files):
    chance = chances(7)
    places = [(name, n) for name, content in files.items() for n in range(len(content))]
    for name, position in chance.sample(places, 200):
        tampered = files | {name: flipped(files[name], position, chance.randrange(8))}
        assert not verify_bytes(archived(tampered)).ok, (name, position)


def test_a_flipped_byte_of_the_manifest_is_found_though_nothing_lists_the_manifest(files):
    for position in range(0, len(files["manifest.json"]), 17):
        tampered = files | {"manifest.json": flipped(files["manifest.json"], position)}
        assert not verify_bytes(archived(tampered)).ok, position


def test_every_byte_of_the_archive_that_is_not_content_counts(bundle):
    inside = {p for _, start, size in _members(bundle) for p in range(start, start + size)}
    outside = [p for p in range(len(bundle)) if p not in inside]
    for position in outside:
        refused(flipped(bundle, position))


def test_a_flipped_byte_of_the_archive_is_found(bundle):
    chance = chances(11)
    for position in chance.sample(range(len(bundle)), 200):
        assert not verify_bytes(flipped(bundle, position, chance.randrange(8))).ok, position


def _members(data):
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for info in archive.infolist():
            yield info.filename, info.header_offset + 30 + len(info.filename), info.file_size


@pytest.mark.parametrize("end", [0, 1, 29, 30, 60, -1, -22, -23, 5_000])
def test_a_cut_archive_is_refused(bundle, end):
    refused(bundle[:end])


def repacked(files, **how):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", **how) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, how.get("compression", zipfile.ZIP_STORED))
    return buffer.getvalue()


BAD_NAMES = [
    "../etc/passwd",
    "/etc/passwd",
    "artifacts/../x.json",
    "C:\\x",
    "mission .json",
    "MISSION.json",
    "a/",
    "",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_lead_elsewhere_is_refused(files, name):
    refused(archived(files | {name: b"x"}))


def test_a_name_twice_is_refused(files):
    once = sorted(files.items())
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = repacked([*once, once[-1]])
    refused(data)


def test_a_compressed_archive_is_refused_before_anything_is_unpacked():
    bomb = repacked([("mission.json", b"\x00" * 30_000_000)], compression=zipfile.ZIP_DEFLATED)
    refused(bomb, sentence="compressed")


def test_an_archive_of_another_order_date_or_comment_is_refused(files, bundle):
    refused(repacked(sorted(files.items(), reverse=True)))
    refused(bundle[:-2] + struct.pack("<H", 5) + b"hello")
    refused(b"#!/bin/sh\n" + bundle)
    refused(bundle + b"\x00")


def test_too_many_files_are_refused():
    names = (f"artifacts/plan/pl_{n:032x}.json" for n in range(MAX_FILES + 1))
    refused(archived(dict.fromkeys(names, b"")), sentence=f"more than {MAX_FILES}")


def test_what_is_no_regular_file_is_refused(tmp_path):
    pipe, huge = tmp_path / "pipe", tmp_path / "huge"
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for path in (tmp_path, pipe, huge, tmp_path / "nothing", tmp_path / ("x" * 300)):
        report = verify_bundle(path)
        assert [check.name for check in report.checks] == ["archive"]
        assert not report.ok


MALFORMED = {
    "not-json": b"{",
    "not-utf8": b'{"a":"\xff"}',
    "a-list": b"[]",
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":1e999}',
    "huge-number": b'{"a":' + b"9" * 5_000 + b"}",
    "twice-the-same-name": b'{"a":1,"a":1}',
    "white-space": b'{"a": 1}',
    "lone-surrogate": b'{"a":"\\ud800"}',
    "too-deep-for-a-person": b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    "too-deep-for-a-parser": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("name", ["mission.json", "packet.json", "events.jsonl", "grants.jsonl"])
def test_json_with_more_than_one_reading_or_none_is_refused(files, name, content):
    files[name] = content + b"\n" if name.endswith("l") else content
    refused(sealed(files), "form")


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_manifest_with_more_than_one_reading_or_none_is_refused(files, content):
    refused(archived(files | {"manifest.json": content}), "inventory")


@pytest.mark.parametrize("name", ["manifest.json", "mission.json", "events.jsonl", "tool_calls.jsonl"])
def test_a_bundle_without_one_of_its_files_is_refused(files, name):
    del files[name]
    refused(archived(files), "inventory", f"no {name}")


def test_an_empty_record_is_refused(files):
    lists = {name: b"" for name in files if name.endswith(".jsonl")}
    report = verify_bytes(sealed(files | lists))
    assert not report.ok
    assert UNREADABLE not in render(report)


def _places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*path, key))


def _put(value, path, now):
    if not path:
        return now
    target = value
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = now
    return value


@pytest.mark.parametrize("seed", sampled(range(6), 2))
def test_no_value_in_any_place_makes_a_check_stumble(files, seed):
    """A value of the wrong type is what the checks expect: none of them falls back on its safety net."""
    chance = chances(seed)
    for _ in range(60):
        name = chance.choice(sorted(files))
        rows = [json.loads(line) for line in files[name].splitlines()]
        which = chance.randrange(len(rows))
        path = chance.choice(list(_places(rows[which])))
        rows[which] = _put(rows[which], path, chance.choice(HOSTILE))
        end = b"\n" if name.endswith("l") else b""
        content = b"".join(canonical_bytes(row) + end for row in rows)
        report = verify_bytes(_sealed(files | {name: content}, name))
        assert UNREADABLE not in render(report), (name, path)
        assert "\x1b" not in render(report)


def _sealed(files, name):
    return archived(files) if name == "manifest.json" else sealed(files)


@pytest.mark.parametrize("seed", range(4))
def test_no_value_within_an_event_a_request_or_a_grant_makes_a_check_stumble(files, seed):
    chance = chances(seed)
    texts = {"events.jsonl": ("body",), "approvals.jsonl": ("request", "decision"), "grants.jsonl": ("content",)}
    for _ in range(60):
        name = chance.choice(sorted(texts))
        rows = [json.loads(line) for line in files[name].splitlines()]
        row, field = chance.choice(rows), chance.choice(texts[name])
        value = json.loads(row[field])
        path = chance.choice(list(_places(value)))
        was, row[field] = row[field], canonical_bytes(_put(value, path, chance.choice(HOSTILE))).decode()
        if row[field] == was:
            continue
        report = verify_bytes(sealed(files | {name: b"".join(canonical_bytes(r) + b"\n" for r in rows)}))
        assert not report.ok, (name, path)
        assert UNREADABLE not in render(report), (name, path, render(report))


def test_what_a_bundle_says_can_not_write_to_the_terminal(files):
    mission = json.loads(files["mission.json"])
    files["mission.json"] = canonical_bytes(mission | {"mission_id": "\x1b[2J\u202emsn", "status": "\x07" * 9_000})
    shown = render(verify_bytes(sealed(files)))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert max(map(len, shown.splitlines())) < 500


def test_a_failing_check_does_not_keep_the_others_from_being_made(files):
    del files["packet.json"]
    report = verify_bytes(sealed(files))
    assert [c.name for c in report.checks] == ["archive", "inventory", "form", *CHECKS]
    assert [c.name for c in report.checks if not c.ok] == ["packet", "ending"]


def test_the_files_are_those_that_any_zip_tool_sees(files, bundle):
    assert files_of(bundle) == files
    assert archived(files) == bundle

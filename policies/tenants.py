"""A tenant's own rules: files that lie over the shipped ones, and can only tighten what those say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from contracts.canonical import canonical_bytes
from policies.rulefiles import TENANT, RuleFile, RuleFiles, layer_of, readable, refuse

TESTS_FILE = "tests.yaml"
MOST_FILES = 20
MOST_CHARACTERS = 131_072
"""Of all rules together: every question of their layer is held against each."""
FILE_NAME = r"^([a-z]{1,20}\.[a-z0-9][a-z0-9-]{0,40}\.cedar|tests\.yaml)$"


def packed(files: Mapping[str, str]) -> bytes:
    """Return a tenant's files as they are stored, whatever they say.

    Raises:
        SettingInvalid: ``policy_invalid``; there are too many, or one has a name that can't be used.
    """
    if len(files) > MOST_FILES:
        refuse("the set", None, f"there are more than {MOST_FILES} files")
    for name in files:
        if not re.fullmatch(FILE_NAME, name):
            refuse(name[:80], None, f"a file is called LAYER.NAME.cedar, as release.fields.cedar, or {TESTS_FILE}")
    return canonical_bytes(dict(files))


def unpacked(content: bytes) -> dict[str, str]:
    """Return a tenant's files, whoever stored them.

    Raises:
        SettingInvalid: ``policy_invalid``; they can't be read, or were never to be stored.
    """
    try:
        files = json.loads(content)
    except ValueError as exc:
        refuse("the set", None, "it can't be read", exc)
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        refuse("the set", None, "it is not a set of files")
    packed(files)
    return files


def over(shipped: RuleFiles, files: Mapping[str, str]) -> RuleFiles:
    """Lay a tenant's files over the shipped ones.

    Raises:
        SettingInvalid: ``policy_invalid``; one is of no layer, or holds what nobody can see; or they are too long.
    """
    rules = sorted(files.keys() - {TESTS_FILE})
    if sum(len(files[name]) for name in rules) > MOST_CHARACTERS:
        refuse("the set", None, f"its rules have more than {MOST_CHARACTERS} characters")
    own = (RuleFile(TENANT + name, layer_of(name), readable(name, files[name])) for name in rules)
    return RuleFiles(shipped.schema, (*shipped.files, *own))

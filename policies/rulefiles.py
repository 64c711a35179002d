"""Rule files: reading a directory of them, and refusing whatever could mean something else than its author thinks."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

import cedarpy

from contracts.canonical import canonical_bytes, clean_text, sha256_hex
from contracts.errors import SettingInvalid
from contracts.stateflow import Layer
from policies.nesting import too_deep

RULES_DIRECTORY = Path(__file__).parent / "rules"
SCHEMA_FILE = "schema.cedarschema"
TENANT = "tenant/"
"""What the name of a tenant's own file begins with, among the shipped ones."""
OWN_RULE = "our-"
"""What the short name of a tenant's own rule begins with: approvers see whose it is, and no shipped one collides."""
TOO_DEEP = "it nests too deep; name a set of values instead of comparing with each, or split the rule"
_MOST_SAID = 2_000
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ANNOTATIONS = frozenset({"id", "reason", "escalate"})
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;')
_RULE_NAME = re.compile(r"[a-z]+\.[a-z0-9][a-z0-9-]{0,60}")


@dataclass(frozen=True)
class Rule:
    """One rule as people know it.

    Attributes:
        rule_id: ``layer.short-name``.
        reason: what people are shown when it determines an outcome; for an escalation ``escalate`` is shown instead.
        policy: the rule as Cedar's JSON, without its annotations: what it says, whoever says it.
    """

    rule_id: str
    layer: Layer
    file: str
    effect: Literal["permit", "forbid"]
    reason: str
    escalate: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def of_tenant(self) -> bool:
        """Whether it is one of a tenant's own."""
        return self.file.startswith(TENANT)


@dataclass(frozen=True)
class RuleFile:
    """One file of rules of one layer."""

    name: str
    layer: Layer
    text: str

    @property
    def of_tenant(self) -> bool:
        """Whether it is one of a tenant's own."""
        return self.name.startswith(TENANT)


@dataclass(frozen=True)
class RuleFiles:
    """A directory of rules as text: the schema, and the files of each layer sorted by name."""

    schema: str
    files: tuple[RuleFile, ...]

    @property
    def content(self) -> bytes:
        """The schema's and every file's text by name, with line ends unified, as canonical JSON."""
        return canonical_bytes({SCHEMA_FILE: self.schema} | {f.name: f.text for f in self.files})

    def sha256(self) -> str:
        """Return the hash of the content: the name of this set of rules."""
        return sha256_hex(self.content)

    def text_of(self, layer: Layer) -> str:
        """Return the layer's rules as one text."""
        return "\n".join(f.text for f in self.files if f.layer is layer)


def shipped_text(name: str) -> str:
    """Return the text of a file that ships with the rules."""
    return _read(RULES_DIRECTORY / name)


def rules_from(texts: Mapping[str, str]) -> RuleFiles:
    """Return a whole set of rules from its files' texts.

    Raises:
        SettingInvalid: ``policy_invalid``; a file is missing, of no known layer, or holds what nobody can see.
    """
    for needed in (SCHEMA_FILE, *(f"{layer}.cedar" for layer in Layer)):
        if needed not in texts:
            refuse(needed, None, "the file is missing; a layer without rules is an empty file")
    rules = (name for name in sorted(texts) if name.endswith(".cedar"))
    files = tuple(RuleFile(name, layer_of(name), readable(name, texts[name])) for name in rules)
    return RuleFiles(readable(SCHEMA_FILE, texts[SCHEMA_FILE]), files)


def load_rules(directory: Path | None = None) -> RuleFiles:
    """Read ``schema.cedarschema`` and the ``.cedar`` files of a directory, by default those that ship with Colony.

    A file belongs to the layer its name begins with: ``release.cedar``, ``release.acme.cedar``.

    Raises:
        SettingInvalid: ``policy_invalid``; a file is missing, unreadable or of no known layer.
    """
    root = RULES_DIRECTORY if directory is None else directory
    missing = [f"{layer}.cedar" for layer in Layer if not (root / f"{layer}.cedar").is_file()]
    if missing:
        refuse(missing[0], None, f"the file is not in {root}; a layer without rules is an empty file")
    files = tuple(RuleFile(p.name, layer_of(p.name), _read(p)) for p in sorted(root.glob("*.cedar")))
    return RuleFiles(_read(root / SCHEMA_FILE), files)


def files_of(content: bytes) -> RuleFiles:
    """Read a set of rules back from its content, as it is kept beside the decisions that it made.

    Raises:
        SettingInvalid: ``policy_invalid``; it is none.
    """
    try:
        texts = json.loads(content)
        schema = texts.pop(SCHEMA_FILE)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        refuse("the kept rules", None, "they can't be read", exc)
    if not all(isinstance(text, str) for text in (schema, *texts.values())):
        refuse("the kept rules", None, "they can't be read")
    return RuleFiles(schema, tuple(RuleFile(n, layer_of(n.removeprefix(TENANT)), texts[n]) for n in sorted(texts)))


def parse_rules(file: RuleFile, schema: cedarpy.Schema) -> tuple[Rule, ...]:
    """Parse one file and hold it against the schema.

    Raises:
        SettingInvalid: ``policy_invalid``; it names the file and the rule.
    """
    if too_deep(file.text):
        refuse(file.name, None, TOO_DEEP)
    try:
        parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(file.text))
    except ValueError as exc:
        refuse(file.name, None, str(exc), exc)
    if parsed["templates"]:
        refuse(file.name, None, "a rule with ?principal or ?resource is a template, which decides nothing")
    policies: Mapping[str, dict[str, Any]] = parsed["staticPolicies"]
    by_position = {position: _rule(file, policy) for position, policy in policies.items()}
    result = cedarpy.validate_policies(file.text, schema, release_gil=True)
    for error in result.errors:
        rule = by_position.get(error.policy_id)
        refuse(file.name, rule.rule_id if rule else None, error.error)
    return tuple(by_position.values())


def without_rules(file: RuleFile, rule_ids: Collection[str]) -> RuleFile:
    """Return a file without some of its rules."""
    parsed = json.loads(cedarpy.policies_to_json_str(file.text))
    rules = parsed["staticPolicies"].items()
    kept = {place: rule for place, rule in rules if rule["annotations"]["id"] not in rule_ids}
    if len(kept) == len(parsed["staticPolicies"]):
        return file
    return replace(file, text=cedarpy.policies_from_json_str(json.dumps(parsed | {"staticPolicies": kept})))


def source_of(files: RuleFiles, rule: Rule) -> str:
    """Return a rule as its author wrote it."""
    text = next((f.text for f in files.files if f.name == rule.file), "")
    named = re.compile(rf'@id\s*\(\s*"{re.escape(rule.rule_id)}"\s*\)')
    return next((part.strip() for part in _statements(text) if named.search(part)), "")


def _statements(text: str) -> Iterator[str]:
    """Split a file at the semicolons that end its rules, not at those in strings and comments."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield text[start : token.end()]
            start = token.end()


def refuse(file: str, rule: str | None, why: str, cause: Exception | None = None) -> NoReturn:
    """Refuse a rule file, naming it and the rule."""
    where = f"{file}, rule {rule}" if rule else file
    raise SettingInvalid(
        f"{where}: {why}", code="policy_invalid", hint="Mend the rule, then run `colony policies check`."
    ) from cause


def _rule(file: RuleFile, policy: Mapping[str, Any]) -> Rule:
    annotations: dict[str, str] = {k: v or "" for k, v in policy.get("annotations", {}).items()}
    rule_id = annotations.get("id", "")
    if not rule_id:
        refuse(file.name, None, f'a rule has no @id("{file.layer}.short-name"): {_glimpse(policy)}')
    if not _RULE_NAME.fullmatch(rule_id) or not rule_id.startswith(f"{file.layer}."):
        refuse(file.name, rule_id, f"its @id must be {file.layer}. and a short name in lower case")
    # A misspelt @escalate would silently turn "ask a person" into "allow".
    if unknown := sorted(annotations.keys() - _ANNOTATIONS):
        refuse(file.name, rule_id, f"nobody reads @{unknown[0]}; there are @id, @reason and @escalate")
    if unshown := [f"its @{name} {why}" for name, said in annotations.items() if (why := _unshown(said))]:
        refuse(file.name, rule_id, unshown[0])
    if not annotations.get("reason", "").strip():
        refuse(file.name, rule_id, "it has no @reason to show to people")
    if "escalate" in annotations and policy["effect"] == "forbid":
        refuse(file.name, rule_id, "a forbid can't escalate; write a permit with @escalate")
    if not annotations.get("escalate", "-").strip():
        refuse(file.name, rule_id, "its @escalate does not say why a person must look")
    if file.of_tenant != rule_id.startswith(f"{file.layer}.{OWN_RULE}"):
        refuse(
            file.name, rule_id, f"the @id of a tenant's own rule, and of no other, begins with {file.layer}.{OWN_RULE}"
        )
    if file.of_tenant and policy["effect"] == "permit" and "escalate" not in annotations:
        refuse(
            file.name,
            rule_id,
            "a tenant's rules only tighten: write a forbid, or a permit with @escalate, for a person",
        )
    return Rule(
        rule_id=rule_id,
        layer=file.layer,
        file=file.name,
        effect=policy["effect"],
        reason=annotations["reason"],
        escalate=annotations.get("escalate"),
        policy={part: said for part, said in policy.items() if part != "annotations"},
    )


def _glimpse(policy: Mapping[str, Any]) -> str:
    reason = policy.get("annotations", {}).get("reason")
    return reason or f"a {policy['effect']}"


def layer_of(name: str) -> Layer:
    """Return the layer that a file belongs to.

    Raises:
        SettingInvalid: ``policy_invalid``; it belongs to none.
    """
    try:
        return Layer(name.split(".", 1)[0])
    except ValueError as exc:
        layers = ", ".join(Layer)
        refuse(name, None, f"its name must begin with one of {layers}", exc)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        refuse(path.name, None, f"it can't be read as UTF-8 text: {exc}", exc)
    return readable(path.name, text)


def readable(name: str, text: str) -> str:
    """Return a file's text with line ends unified.

    Raises:
        SettingInvalid: ``policy_invalid``; it holds what a reviewer can't see: NUL, direction or zero-width characters.
    """
    clean, dropped = clean_text(text)
    if dropped or any(unicodedata.category(c) == "Cf" for c in clean):
        refuse(name, None, "it holds invisible characters")
    return clean


def _unshown(text: str) -> str:
    """Say why people can't be shown what an annotation says; nothing if they can.

    Cedar's own escapes get past what holds for the file's characters.
    """
    if any(unicodedata.category(c) in _UNSEEN and c not in "\n\t" for c in text):
        return "holds invisible characters"
    return f"is longer than {_MOST_SAID} characters" if len(text) > _MOST_SAID else ""

"""What a claim's value is held against: its quote, what was said around it, and which words speak of its attribute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.evidence import Citation, ResearchArtifact
from contracts.mission import FactKey
from nodes.ranking import stem
from nodes.synonyms import AGREED, GENERIC, alike

_PART = re.compile(r"[A-Z]?[a-z']+|[A-Z]+(?![a-z])|\d+")
_MESSAGE = re.compile(r"(?:\[[^\]\n]{1,40}\] )?(lead|agent): (.*)")


@dataclass(frozen=True)
class Topic:
    """What a key is about.

    Attributes:
        words: the stems that speak of it, synonyms among them.
        agreed: it is about something that is booked or agreed.
        inverted: its name denies (``no_pets``), so that a denial makes it true.
    """

    words: frozenset[str] = frozenset()
    agreed: bool = False
    inverted: bool = False


@dataclass(frozen=True)
class Ground:
    """A quote, and in a chat what was said right before and after it.

    Attributes:
        stated: what a record's own field says, if the quote is the field that the claim is about.
        asked: the quote is of the agent's, who asks or proposes rather than tells what the lead wants.
    """

    quote: str
    topic: Topic = Topic()
    before: str = ""
    after: str = ""
    stated: str | None = None
    asked: bool = False


def topics(schema: Sequence[FactKey]) -> dict[str, Topic]:
    """Return what each key is about; a description's word that several keys share says nothing about one of them."""
    described = [{stem(word) for word in _parts(f"{key.key} {key.description}")} for key in schema]
    shared = Counter(word for words in described for word in sorted(words))
    often = frozenset(word for word, n in shared.items() if n > 1)
    return {key.key: topic_of(key.key, key.description, often) for key in schema}


def topic_of(key: str, description: str = "", shared: frozenset[str] = frozenset()) -> Topic:
    """Return what one key is about, by the words of its name and of its description."""
    name = _parts(key)
    stems = {stem(word) for word in name}
    told = {stem(word) for word in _parts(description)}
    own = {word for word in stems if word not in GENERIC and word not in AGREED}
    more = {word for word in told - shared if word not in GENERIC and word not in AGREED}
    found = (own | more) or stems
    return Topic(
        words=frozenset(other for word in found for other in alike(word)),
        agreed=bool((stems | told) & AGREED),
        inverted=bool({"no", "non", "not", "without"} & set(name)),
    )


def ground_of(citation: Citation, artifact: ResearchArtifact, attribute: str, topic: Topic | None = None) -> Ground:
    """Return what a citation of some evidence shows on an attribute."""
    topic = topic or topic_of(attribute)
    if artifact.kind == "record":
        name, _, value = citation.quote.partition(": ")
        return Ground(citation.quote, topic, stated=value if name == attribute else None)
    if artifact.kind != "chat":
        return Ground(citation.quote, topic)
    text = artifact.text
    first, last = text.rfind("\n", 0, citation.start) + 1, text.find("\n", citation.end)
    own = _MESSAGE.match(text, first)
    before = text[:first].rstrip("\n").rpartition("\n")[2]
    after = "" if last < 0 else text[last + 1 :].partition("\n")[0]
    asked = own is not None and own.group(1) == "agent"
    return Ground(citation.quote, topic, _words_of(before), _words_of(after), asked=asked)


def _words_of(line: str) -> str:
    found = _MESSAGE.match(line)
    return found.group(2) if found else line


def _parts(text: str) -> list[str]:
    return [word.lower() for word in _PART.findall(text)]

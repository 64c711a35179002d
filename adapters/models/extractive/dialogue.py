"""Read a chat: its messages, what each sentence speaks of, and what each message does (asks, offers, agrees …)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from adapters.models.extractive.lexicon import DOMAINS, concepts
from adapters.models.extractive.text import Token, bag, sentences, tokens
from adapters.models.extractive.values import Evidence, Message

_LINE = re.compile(r"^(?:\[[^\]\n]{0,40}\] ?)?(lead|agent): ?(.*)$", re.MULTILINE | re.IGNORECASE)

# Nobody types more in one message; what is pasted beyond it is no longer talk, and must not cost the reader time.
_LONGEST_MESSAGE = 20_000


class Stance(Enum):
    """How a lead takes what the agent just put forward."""

    YES = auto()
    NO = auto()
    OTHER = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with its words, the concept of each word and whether it asks something."""

    start: int
    end: int
    tokens: tuple[Token, ...]
    concepts: tuple[str, ...]
    about: frozenset[str]
    asks: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, read; `focus` is the set of domains the talk was last about."""

    message: Message
    sentences: tuple[Sentence, ...]
    about: frozenset[str]
    focus: frozenset[str]

    @property
    def by_lead(self) -> bool:
        """Whether the customer wrote it."""
        return self.message.author == "lead"

    @property
    def low(self) -> str:
        """The text in lower case with straight apostrophes."""
        return self.message.text.lower().replace("\u2019", "'")


def messages(evidence: Evidence) -> Iterator[Message]:
    """Yield the messages of a chat's text, the first 20,000 characters of each; other lines are skipped."""
    for match in _LINE.finditer(evidence.text):
        if match.group(2).strip():
            yield Message(match.group(1).lower(), match.group(2)[:_LONGEST_MESSAGE], match.start(2))


def turns(evidence: Evidence) -> list[Turn]:
    """Read a whole chat."""
    read: list[Turn] = []
    focus: frozenset[str] = frozenset()
    for message in messages(evidence):
        parts = tuple(_sentence(evidence.text, *bounds) for bounds in _bounds(evidence.text, message))
        about: frozenset[str] = frozenset().union(*(part.about for part in parts))
        focus = (about & DOMAINS) or focus
        read.append(Turn(message, parts, about, focus))
    return read


def _bounds(text: str, message: Message) -> Iterator[tuple[int, int]]:
    return sentences(text, message.start, message.start + len(message.text), typed=True)


_WH = bag("what which where when who how whose")
_AUX = bag("do does did is are can could would will should shall may have has any")
_OPENING = 4


def _sentence(text: str, start: int, end: int) -> Sentence:
    words = tokens(text, start, end)
    found = tuple(concepts([word.lower for word in words]))
    opening = [word.lower for word in words[:_OPENING] if word.text.isalpha()]
    asks = text[end - 1] == "?" or (bool(opening) and (_asks_by_order(words) or not _WH.isdisjoint(opening)))
    return Sentence(start, end, words, found, frozenset(found) - {""}, asks)


def _asks_by_order(words: Sequence[Token]) -> bool:
    """Whether a sentence opens like a question ("do they") and not like a clipped statement ("would love")."""
    following = words[1].lower if len(words) > 1 else ""
    return words[0].lower in _AUX and following not in _CLIPPED


_CLIPPED = bag("love like prefer be need want rather suit work go have also still take")
_ALTERNATIVES = re.compile(
    r"\b(?:others?|another|else|alternatives?|different|more (?:options|results|choices|places|\w+s)|some more"
    r"|more of|keep (?:looking|searching)|continue|next one)\b"
)
_DONE = re.compile(
    r"\b(?:nothing else|no(?:t|pe|thing)?\b.{0,30}\belse|all (?:i|that i) |that's all|thats all|that is all)"
)
_NO = re.compile(
    r"^\W{0,3}(?:(?:oh|um|well|sorry|ok|okay|hmm)[,. ]{1,3}){0,2}(?:no|nope|nah|not|don't|do not|actually|never|"
    r"negative|"
    r"wait|sorry|change|wrong)\b|\b(?:i'd rather|instead|changed my mind|not (?:right|correct|now|yet|interested)|"
    r"no (?:visits?|viewings?)|take me off|remove me|maybe later|prefer not|let's do that later|(?:don't|"
    r"do not) (?:like|want))\b"
)
_YES = re.compile(
    r"\b(?:yes|yeah|yea|yep|yup|ya|sure|ok|okay|right|correct|perfect\w*|great|fine|absolutely|definitely|"
    r"certainly|good|"
    r"cool|awesome|excellent|wonderful|amazing|lovely|nice|sounds?|works?|suits?|agreed?|deal|exactly|alright|"
    r"go ahead|please do|i do|i would|i like|i love|i'll take|i will take|do it|thank(?:s| you)|ideal|fantastic|"
    r"brilliant|superb|winner|interested|acceptable|suitable|enough|happy with|that's it|that is it|please)\b"
)
_SEEK = re.compile(
    r"\b(?:book|schedule|reserve|arrange|visit|view|see it|look at it|take a look|tour|buy|order|appointment)\b"
)


def stance(turn: Turn) -> Stance:
    """Say how a lead's message takes what was just put to it."""
    low = turn.low
    if _ALTERNATIVES.search(low) and not _DONE.search(low):
        return Stance.OTHER
    if _NO.search(low):
        return Stance.NO
    if _YES.search(low):
        return Stance.YES
    return Stance.OPEN


_REFUSES = re.compile(r"\b(?:no (?:visits?|viewings?)|take me off|remove me|(?:don't|dont|do not) book)\b")


def accepts_offer(turn: Turn) -> bool:
    """Whether a lead takes the thing the agent just described: says so, or goes on to book it."""
    how = stance(turn)
    low = turn.low
    if how is Stance.OTHER or _REFUSES.search(low):
        return False
    if how is Stance.YES or _SEEK.search(low):
        return (
            not all(part.asks for part in turn.sentences)
            or bool(_SEEK.search(low))
            or low.startswith(("yes", "ok", "sounds", "great"))
        )
    return how is Stance.NO and bool(_DONE.search(low))


_CONFIRMS = re.compile(
    r"\b(?:confirm\w*|verify|(?:is|are) (?:this|that|it|these) (?:all )?(?:right|ok|okay|fine|correct)|correct\b|"
    r"right\?|sounds? (?:good|right)|to be sure|double.?check|make sure|sure that|should i|shall i|can i|may i|"
    r"(?:do|so|would|you|you'd) you (?:want|wish|like|need)|you(?:'d| would|'re| are| want| wish| need| will|'ll)\b|"
    r"i(?:'m| am|'ll| will| have to)? (?:be )?(?:schedul|book|reserv|arrang|set|fix|order|mak|go ahead)\w*|"
    r"your? (?:visit|appointment|booking|reservation|order|tour|viewing)|scheduling|booking|visiting|reserving|"
    r"fixing|"
    r"visit (?:to|on|at))"
)
_OFFERS = re.compile(
    r"\b(?:found|there(?:'s| is| are|s)|located|another|recommend|suggest|costs?|rents?|priced?|per month|"
    r"a month|monthly|"
    r"is (?:an?|one of|another)|available|options?|called|results?|how about|what about|has \d|with \d|"
    r"rating|rated)\b|\$"
)


_READS_BACK = re.compile(r"\b(?:confirm\w*|verify|correct|is (?:this|that|it) (?:right|ok|okay|fine)|right\?)")


def reads_back(turn: Turn) -> bool:
    """Whether an agent's message plainly asks for its details to be confirmed."""
    return bool(_READS_BACK.search(turn.low))


def confirms(turn: Turn) -> bool:
    """Whether an agent's message reads details back to be agreed to."""
    return bool(_CONFIRMS.search(turn.low))


def offers(turn: Turn) -> bool:
    """Whether an agent's message describes something that can be had."""
    return bool(_OFFERS.search(turn.low))


_FAILED = re.compile(
    r"\b(?:could ?n[o']t|couldn't|could not|unable|was(?:n't| not) able|am not able|fail(?:ed)?|unsuccessful|"
    r"not successful|"
    r"no (?:appointments|availability|free|dice|openings|slots)|not (?:be done|available|possible)|isn't open|"
    r"fully booked|didn't go through|did not go through|cannot (?:book|schedule|arrange|reserve))\b"
)
_DONE_WORDS = re.compile(
    r"\b(?:scheduled?|booked|arranged|reserved|confirmed|all set|(?:is|are|been|was|now|got|have|has) (?:set|"
    r"made|done|fixed|placed|"
    r"complete|completed|schedule)|set up|successful(?:ly)?|went through|completed?|ordered|purchased|"
    r"organi[sz]ed|finali[sz]ed|signed|paid)\b"
)


def reports_failure(said: str) -> bool:
    """Whether a sentence says that something could not be done."""
    return bool(_FAILED.search(said))


def reports_success(said: str) -> bool:
    """Whether a sentence says that something has been done."""
    return bool(_DONE_WORDS.search(said)) and not _FAILED.search(said) and not _PENDING.search(said)


_PENDING = re.compile(
    r"\?|\b(?:please|can you|could you|let me|just to|to) confirm|\bconfirm(?:ing)? (?:that|the|your|you)\b|"
    r"\b(?:will|i'll|going to|should|shall|would|want|wish|like|if|once|when|can|to) (?:be |i |it |get |you |"
    r"have )?(?:schedul|book|arrang|"
    r"reserv|confirm)|\bnot (?:yet )?(?:been )?(?:schedul|book|arrang|reserv|confirm)"
)


def low(evidence: Evidence, part: Sentence) -> str:
    """Return a sentence in lower case with straight apostrophes."""
    return evidence.text[part.start : part.end].lower().replace("\u2019", "'")

"""What a lead can or will spend: an amount with words that bound it, or one that answers the agent's question."""

import re
from collections.abc import Iterator, Sequence

from adapters.models.extractive.dialogue import Sentence, Turn, low
from adapters.models.extractive.moments import moments
from adapters.models.extractive.slots import Kind, Role, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.things import things
from adapters.models.extractive.values import Evidence

_UNITS = (
    r"(?! ?(?:sq|m2|m\u00b2|ft|feet|min|minutes?|hours?|h|%|beds?|baths?|bedrooms?|months?|years?|days?|weeks?|km|"
    r"miles?|kg|"
    r"people|cm|m|mm|mbit|steps?|stairs?|th|st|nd|rd|am|pm|floors?|units?|rooms?)\b)(?![%\u00b2:])"
)
_DIGITS = (
    r"(?:[$\u20ac\u00a3\u20b9] ?)?(?:\d{1,3}(?:[,.]\d{3})+|\d+(?:\.\d{1,2})?)"
    r"(?: ?(?:k|m|mn|million|thousand|tys|mil|lakhs?|crores?)\b)?"
    r"(?: ?(?:dollars|euros|pounds|rupees|usd|eur|gbp|bucks|[$\u20ac\u00a3]))?"
)
_ONES = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_TENS = r"(?:ten|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ](?:one|two|five|nine))?"
_WORDS = rf"{_ONES}[- ](?:hundred(?: and {_TENS})?|{_TENS})(?: thousand)?"
_AMOUNT = re.compile(
    rf"(?<![\w.,:#/+-])(?:(?P<from>{_DIGITS}) ?(?:-|\u2013|to|and) ?)?(?P<sum>{_DIGITS}|{_WORDS}){_UNITS}(?![\w/]|"
    rf"[.,:]\d|-\w)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:budget|max(?:imum)?|up ?to|(?:no|not) (?:more|over|above) than|not over|at (?:the )?most|under|below|"
    r"limit|ceiling|"
    r"stretch (?:it )?to|afford|spend|(?:can|could|would|'d|able to) (?:do|pay|go)|(?:above|over|than) (?:our|my)|"
    r"go(?:es)? (?:up )?to|so)\b[^.?!\d]{0,28}$"
)
_WEAK_BEFORE = re.compile(
    r"(?:\b(?:i|we)(?:'ve| have)(?: got)?|^\W*(?:got|have)|, got|\bgot) (?:about |around |only )?$"
)
_AFTER = re.compile(
    r"^ ?(?:(?:pcm|pm|p/m|a month|per month|/ ?month) )?(?:,? ?(?:is |would be |as )?(?:(?:our|my|the|an|absolute|"
    r"about) ){0,3}(?:tops|max\w*|limit|ceiling|budget|wall|"
    r"all in|at most|top whack|real number|together|per month max))\b"
)
_ASKS = re.compile(
    r"\b(?:budget|spend|afford|your (?:figure|range|limit|maximum)|price range|up to how much|how much (?:would|"
    r"do|can|could|"
    r"are) you|price (?:point|bracket)|comfortable with)\b"
)
_BORROWED = re.compile(
    r"\b(?:bank|mortgage|loan|agreement|aip|deposit|saved|savings|valuation|valued|approved|letter|lend\w*|"
    r"rent is|fetch|"
    r"asking|advertised|listed|reduced|offer(?:ed)?|cost|costs|paid|worth|salary|income|earn)\b"
)
_ORDERS = re.compile(
    r"\b(?:set|mark|change|update)\b.{0,40}\b(?:budget\w*|stage|leads?|record|crm)\b|\bignore (?:all|any|the|your)\b"
)
_SMALLEST = 100


def budgets(slots: Sequence[Slot], evidence: Evidence, turn: Turn, agent: Turn | None) -> Iterator[Found]:
    """Yield the lead's limit for the slots that ask for a budget; what a thing costs or a bank lends is none."""
    wanted = [slot for slot in slots if slot.kind is Kind.MONEY and "budget" in slot.topics]
    if not wanted or _ORDERS.search(turn.low):
        return
    asked = agent is not None and any(_ASKS.search(low(evidence, part)) for part in agent.sentences if part.asks)
    for part in turn.sentences:
        for match, strong in _amounts(evidence, part, asked=asked):
            for slot in wanted:
                start, end = _of_role(slot, match, ranged=len(wanted) == 1)
                if start < end:
                    yield Found(slot, evidence.text[start:end], start, end, 0.9 if strong else 0.8)
            asked = False


def _amounts(evidence: Evidence, part: Sentence, *, asked: bool) -> Iterator[tuple[re.Match[str], bool]]:
    text = evidence.text
    taken = [(one.start, one.end) for one in moments(text, part.start, part.end)]
    taken += [(one.start, one.end) for one in things(text, part.start, part.end)]
    borrowed = bool(_BORROWED.search(low(evidence, part)))
    for match in _AMOUNT.finditer(text, part.start, part.end):
        start, end = match.span()
        if any(a < end and start < b for a, b in taken) or not _is_sum(match["sum"]):
            continue
        before = text[max(part.start, start - 44) : start].lower().replace("\u2019", "'")
        strong = bool(_BEFORE.search(before) or _AFTER.match(text[end : end + 40].lower()))
        if strong or (not borrowed and not part.asks and (asked or _is_hinted(text, match, before))):
            yield match, strong


def _is_hinted(text: str, match: re.Match[str], before: str) -> bool:
    return bool(
        _WEAK_BEFORE.search(before)
        or (_ROUGHLY.search(before) and _MONTHLY.match(text[match.end() : match.end() + 12]))
    )


_ROUGHLY = re.compile(r"\b(?:around|about|roughly) $")
_MONTHLY = re.compile(r"^ ?(?:pcm|pm|p/m|a month|per month|/ ?month)\b")


def _is_sum(said: str) -> bool:
    digits = re.sub(r"\D", "", said)
    return (
        not digits
        or len(digits) > 2
        or any(mark in said.lower() for mark in ("k", "$", "€", "£", "m", "lakh", "crore"))
    )


def _of_role(slot: Slot, match: re.Match[str], *, ranged: bool) -> tuple[int, int]:
    """Return the end of a range that a slot wants: the upper one of a limit, both when it says neither."""
    if match["from"] is None:
        return match.span("sum") if slot.role is not Role.BEGIN or ranged else (0, 0)
    if slot.role is Role.BEGIN:
        return match.span("from")
    return match.span("sum") if slot.role is Role.END else match.span()

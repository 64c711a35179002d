"""Days with their time of day, as people write them in messages ("Saturday 10 October at 11:00", "Thurs 15th 5pm")."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_DAYS = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|(?:tues?|weds?|thurs?|fri)\b\.?|(?-i:Mon|Wed|Thu|Sat|Sun)\b\.?"
    r"|(?:mon|wed|thu|sat|sun)\b(?= ?(?:\d|at\b|is\b|early|late|morning|afternoon|evening|[,.!?]|$))"
)
MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec|okt)\b\.?"
)
_TEENS = (
    r"(?:(?:twenty|thirty)[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
_NTH = rf"(?:[0-3]?\d ?(?:st|nd|rd|th)\b|{_TEENS}\b)"
_NUM = (
    r"[0-3]?\d(?![\d:.h%])"
    r"(?! ?(?:am|pm|o'clock|st|nd|rd|th|years?|months?|weeks?|days?|min\w*|hours?|or|and|to|tops)\b)"
)
DAY_FORMS = rf"(?:(?:the )?(?:{_NTH}|{_NUM})(?: of)? {MONTH}|{MONTH} (?:the )?(?:{_NTH}|{_NUM}))(?:,? (?:19|20)\d\d)?"
_DAY = re.compile(
    rf"(?<![\w.,-])(?:(?:(?P<rel>tomorrow|tmrw|tmr|tmw|today|tonight),? ?(?:\(?(?=(?:{_DAYS})))?)?"
    rf"(?:(?:this |next |the )?(?P<wd>{_DAYS})(?:[,.]? (?:the )?(?:(?P<f1>{DAY_FORMS})|(?P<n1>{_NTH}|{_NUM})))?)"
    rf"|(?P<rel2>day after tomorrow|tomorrow|tmrw|tmr|tmw|today|tonight)\b"
    rf"|(?P<f2>{DAY_FORMS})|(?P<n2>(?:the )?[0-3]?\d ?(?:st|nd|rd|th)\b|the (?!first|second|third|"
    rf"fourth){_TEENS}\b)(?! (?:floor|street|avenue|time|person|of)\b)|(?P<iso>20\d\d-\d\d-\d\d))",
    re.IGNORECASE,
)
_HOURS = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_CLOCK = (
    r"(?:(?:[01]?\d|2[0-3])[:.][0-5]\d(?: ?(?:am|pm))?|(?:[01]?\d|2[0-3]) ?(?:h\b|am\b|pm\b|o'clock)"
    rf"|{_HOURS} o'clock|(?:half past|quarter past|quarter to) (?:{_HOURS}|\d{{1,2}})|noon|midday|lunchtime"
    r"|(?<=at )(?:[01]?\d|2[0-3])(?![\d:%]|[.,]\d))"
)
_CLOCK_AFTER = re.compile(rf"(?:,? ?(?:at|@|around|from)? |, )({_CLOCK}|(?:[01]?\d)(?=[?.!]?$))(?!\w)", re.IGNORECASE)
_CLOCK_BEFORE = re.compile(rf"({_CLOCK}) (?:on |this )?$", re.IGNORECASE)
_ANY_CLOCK = re.compile(rf"(?<![\w$.:])(?:{_CLOCK})(?!\w)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_WORD_DAYS = {
    "twenty-first": 21, "twenty-second": 22, "twenty-third": 23, "twenty-fourth": 24, "twenty-fifth": 25,
    "twenty-sixth": 26, "twenty-seventh": 27, "twenty-eighth": 28, "twenty-ninth": 29, "thirty-first": 31,
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
    "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_BACK = 24


@dataclass(frozen=True, slots=True)
class Moment:
    """A day named in a text: its weekday's first letters, its number in the month, and whether a time stands by it.

    `start` and `end` take in the time, `day_start` and `day_end` do not. The number is `loose` when it could be an
    hour ("Monday 10").
    """

    start: int
    end: int
    day_start: int
    day_end: int
    weekday: str
    number: int | None
    timed: bool
    loose: bool

    @property
    def definite(self) -> bool:
        """Whether it is one day of the calendar or one hour, and not just some Saturday."""
        return self.number is not None or self.timed

    def agrees_with(self, other: "Moment") -> bool:
        """Whether both can be the same day."""
        days = not (self.weekday and other.weekday) or self.weekday == other.weekday
        free = self.number is None or other.number is None or self.loose or other.loose
        same = self.number == other.number
        return days and (free or same) and bool((self.weekday and other.weekday) or (self.number and same))


@lru_cache(maxsize=256)
def moments(text: str, start: int, end: int) -> tuple[Moment, ...]:
    """Return each day named in `text[start:end]`, with the time beside it."""
    return tuple(_moments(text, start, end))


def _moments(text: str, start: int, end: int) -> Iterator[Moment]:
    for match in _DAY.finditer(text, start, end):
        first, past = match.start(), match.end()
        while past > first and text[past - 1] in ".( ,":
            past -= 1
        after = _CLOCK_AFTER.match(text, past, end)
        before = _CLOCK_BEFORE.search(text[max(start, first - _BACK) : first])
        stop = after.end(1) if after else past
        begin = first - len(before.group()) if before and not after else first
        weekday = (match["wd"] or "").lower()[:3]
        said = match["f1"] or match["n1"] or match["f2"] or match["n2"] or ""
        loose = bool(weekday) and (match["n1"] or "").isdigit()
        yield Moment(begin, stop, first, past, weekday, _day_number(said), bool(after or before), loose)


def _day_number(said: str) -> int | None:
    digits = _NUMBER.search(said)
    if digits:
        return int(digits.group())
    low = said.lower().replace(" ", "-")
    return next((n for word, n in _WORD_DAYS.items() if word in low), None)


def clock(text: str, start: int, end: int) -> bool:
    """Whether a time of day stands in `text[start:end]`."""
    return _ANY_CLOCK.search(text, start, end) is not None

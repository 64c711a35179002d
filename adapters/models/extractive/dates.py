"""Find the English ways of naming a day or a time of day; bounded patterns, so linear in the text."""

import re
from collections.abc import Iterator

_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec)\b\.?"
)
_NTH = r"(?:[0-3]?\d ?(?:st|nd|rd|th))"
_WORD_NTH = (
    r"(?:(?:twenty|thirty)[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
_ANY_NTH = rf"(?:{_NTH}|{_WORD_NTH})"
_YEAR = r"(?:,? (?:19|20)\d\d)?"
_WHICH = r"(?:(?:this|next|coming|following|upcoming)(?: coming| following)? )"
_DATE = re.compile(
    r"\b(?:"
    r"(?:19|20)\d\d-[01]\d-[0-3]\d"
    r"|[0-3]?\d[/.][0-3]?\d[/.](?:(?:19|20)\d\d|\d\d)(?!\d)"
    r"|day after tomorrow|tomorrow|today|tonight"
    rf"|{_ANY_NTH}(?: of)? (?:{_MONTH}{_YEAR}|(?:this|next|the) month)"
    rf"|[0-3]?\d (?:of )?{_MONTH}{_YEAR}"
    rf"|{_MONTH} (?:the )?(?:{_ANY_NTH}|[0-3]?\d(?![\d:]| ?(?:am|pm|o'clock)\b)){_YEAR}"
    rf"|{_WHICH}?{_DAY}(?:,? (?:this|next) week| after next)?"
    rf"|{_WHICH}(?:weekend|week|month)|(?:the|this) weekend"
    r"|in (?:a|one|two|three|four|five|six|\d{1,2}) (?:days?|weeks?|months?)"
    rf"|the {_NTH}(?! (?:of )?(?:{_MONTH}|(?:this|next|the) month))|{_NTH}(?! (?:street|avenue|floor|road|st|ave)\b)"
    rf"|the (?!{_WORD_NTH} (?:of )?{_MONTH})(?:fourth"
    r"|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth"
    r"|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
    rf"|(?<=\bin )(?:early |mid |late )?{_MONTH}"
    r")(?!\w)",
    re.IGNORECASE,
)
_HOUR = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[01]?\d|2[0-3])"
_PART = r"(?:,? (?:in the|at) (?:morning|afternoon|evening|night))"
_TIME = re.compile(
    rf"\b(?:(?:half past|quarter past|quarter to|half) {_HOUR}(?: ?(?:am|pm|a\.m\.|p\.m\.)|{_PART})?"
    rf"|(?:[01]?\d|2[0-3]):[0-5]\d(?: ?(?:am|pm|a\.m\.|p\.m\.)|{_PART})?"
    rf"|{_HOUR} ?(?:am\b|pm\b|a\.m\.|p\.m\.|o'clock)(?:{_PART})?"
    rf"|(?:morning|afternoon|evening) (?:at )?{_HOUR}(?: thirty)?"
    rf"|{_HOUR}(?: thirty)?{_PART}|noon|midday|midnight|(?:early|late) (?:morning|afternoon|evening))",
    re.IGNORECASE,
)


def dates(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of each day named in `text[start:end]`."""
    for match in _DATE.finditer(text, start, end):
        first, last = match.span()
        while text[last - 1] == ".":
            last -= 1
        yield first, last


def times(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of each time of day named in `text[start:end]`."""
    return (match.span() for match in _TIME.finditer(text, start, end))

"""Find what is written like a name: runs of capitalised words, street addresses told apart from the rest."""

from collections.abc import Collection, Iterator, Sequence

from adapters.models.extractive.lexicon import COMMON_WORDS, DOMAINS, FUNCTION_WORDS, NAMEABLE, concept
from adapters.models.extractive.text import Token, bag

_STREETS = bag(
    """
    street avenue road lane drive boulevard way parkway highway st ave rd blvd ln hwy pkwy alley
    """
)
_LOOSE_STREETS = _STREETS | bag("court place terrace circle common plaza square row trail loop dr real")
_JOINERS = bag("of the & de la le du des da do di del el van von y at and")
_INSIDE = bag("- ' \u2019")
_LONGEST = 10


def names(tokens: Sequence[Token], taken: Collection[int] = ()) -> Iterator[tuple[int, int]]:
    """Yield (first, past) token indexes of each capitalised run, leaving out the indexes in `taken`."""
    i = 0
    while i < len(tokens):
        if i in taken or not _opens(tokens, i, taken):
            i += 1
            continue
        past = _extend(tokens, i, taken)
        yield i, past
        i = past


def _opens(tokens: Sequence[Token], i: int, taken: Collection[int]) -> bool:
    token = tokens[i]
    following = tokens[i + 1] if i + 1 < len(tokens) and i + 1 not in taken else None
    named_next = following is not None and following.capital and _is_proper(following)
    if token.text.isdigit():
        return named_next or (following is not None and following.capital and following.lower in NAMEABLE)
    if not token.capital or len(token.text) == 1:
        return False
    if token.lower in NAMEABLE and token.lower not in FUNCTION_WORDS:
        return named_next or (following is not None and following.capital and following.lower in NAMEABLE)
    return _is_proper(token)


def _is_proper(token: Token) -> bool:
    return token.lower not in COMMON_WORDS


def _extend(tokens: Sequence[Token], i: int, taken: Collection[int]) -> int:
    past = i + 1
    while past < min(len(tokens), i + _LONGEST) and past not in taken:
        token = tokens[past]
        if (token.capital and (_is_proper(token) or token.lower in NAMEABLE)) or _is_model_number(tokens, past):
            past += 1
        elif _joins(tokens, past, taken):
            past += 2
        elif _is_kind(tokens, past) and not tokens[past - 1].text.isdigit():
            return past + 1
        elif past + 1 < len(tokens) and _leads_to_kind(token) and _is_kind(tokens, past + 1):
            return past + 2
        else:
            break
    return past


def _is_model_number(tokens: Sequence[Token], i: int) -> bool:
    """Whether a number belongs to the name before it ("Orbit 5", "X2") and counts nothing after it."""
    if not tokens[i].text.isdigit() or tokens[i - 1].text.isdigit():
        return False
    following = tokens[i + 1] if i + 1 < len(tokens) else None
    counts = (
        following is not None and following.text[0].isalpha() and (_is_proper(following) or following.lower in NAMEABLE)
    )
    return tokens[i].start == tokens[i - 1].end or not counts


def _leads_to_kind(token: Token) -> bool:
    return token.text.islower() and (_is_proper(token) or concept(token.text) in DOMAINS)


def _joins(tokens: Sequence[Token], i: int, taken: Collection[int]) -> bool:
    if i + 1 >= len(tokens) or i + 1 in taken:
        return False
    joiner, following = tokens[i], tokens[i + 1]
    if joiner.text in _INSIDE:
        return following.text.isalpha() and joiner.start == tokens[i - 1].end and following.start == joiner.end
    if joiner.text == "and" or (joiner.text == "at" and _leads_to_street(tokens, i + 1)):
        return False
    return joiner.text.lower() in _JOINERS and following.capital and _is_proper(following)


def _leads_to_street(tokens: Sequence[Token], i: int) -> bool:
    return any(token.lower in _STREETS for token in tokens[i : i + 4])


def _is_kind(tokens: Sequence[Token], i: int) -> bool:
    """Whether a lower-case plural says what sort of thing the name before it is ("Canal apartments")."""
    word = tokens[i].text
    return word.islower() and word.endswith("s") and len(word) > 4 and concept(word) in {"home", "hotel"} & DOMAINS


def is_address(tokens: Sequence[Token], first: int, past: int) -> bool:
    """Whether a run reads as a street address: a street word at its end, or a house number before a looser one."""
    if past > first + 1 and tokens[past - 1].lower in _STREETS:
        return True
    numbered = any(token.text.isdigit() for token in tokens[max(0, first - 2) : first + 1])
    return numbered and any(tokens[i].lower in _LOOSE_STREETS for i in range(first + 1, past))


def backwards(tokens: Sequence[Token], past: int) -> int:
    """Return where a name written without capitals that ends before `past` begins: back to the first common word."""
    first = past
    while first > max(0, past - _LONGEST // 2) and tokens[first - 1].text.isalnum() and _is_proper(tokens[first - 1]):
        first -= 1
    return first


def unmarked(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yield runs that stand where a name would ("X apartments", "X at 12 …") in text that has no capitals."""
    for i, token in enumerate(tokens):
        if _is_kind(tokens, i):
            first = backwards(tokens, i)
            past = i + 1
        elif token.text.isdigit() and i > 1 and _leads_to_street(tokens, i + 1):
            past = i - (tokens[i - 1].lower in {"at", "on", "in"})
            first = backwards(tokens, past)
        else:
            continue
        if any(
            word.text.isalpha() and _is_proper(word) and not _is_kind(tokens, at)
            for at, word in enumerate(tokens[first:past], first)
        ):
            yield first, past


_INNER_PLACE = bag(
    "hill heights valley beach quarter district park new north saint east city beach area green west town south"
)


def _goes_on(tokens: Sequence[Token], i: int) -> bool:
    """Whether a word without a capital belongs to the place before it ("Pleasant hill", "San leandro")."""
    return tokens[i].lower in _INNER_PLACE or tokens[i - 1].lower in _OPENS_PLACE


_CAPITAL_PARTS = bag("old new upper lower west east north south green town city grand royal little")
_OPENS_PLACE = bag("san santa los las el la le saint st mount fort port lake new")


def place_after(tokens: Sequence[Token], i: int, taken: Collection[int] = ()) -> int | None:
    """Return where a place that begins at `i`, in capitals or not, is past; None when no place stands there."""
    past = i
    while past < min(len(tokens), i + _LONGEST // 2) and past not in taken:
        token = tokens[past]
        opens = token.capital and token.lower in _CAPITAL_PARTS
        if not token.text[0].isalpha() or not (_is_proper(token) or token.lower in _INNER_PLACE or opens):
            break
        if past > i and tokens[i].capital and not token.capital and not _goes_on(tokens, past):
            break
        past += 1
    while past > i + 1 and tokens[past - 1].text in {"area", "town"}:
        past -= 1
    return past if past > i and not (past == i + 1 and tokens[i].lower in _INNER_PLACE | _CAPITAL_PARTS) else None

"""Find what is written like a name: runs of capitalised words, street addresses told apart from the rest."""

from collections.abc import Iterator, Sequence

from adapters.models.extractive.lexicon import COMMON_WORDS
from adapters.models.extractive.text import Token

_STREETS = frozenset(
    "street avenue road lane drive boulevard way court place terrace circle parkway highway common plaza square st ave "
    "rd blvd dr ln hwy pkwy alley row trail loop expressway".split()
)
_JOINERS = frozenset({"of", "at", "the", "and", "&", "-", "de", "la", "del", "on", "'", "’", "in"})


def names(tokens: Sequence[Token], *, first_counts: bool = True) -> Iterator[tuple[int, int]]:
    """Yield (first, past) token indexes of each capitalised run; a common word opening a sentence is not a name."""
    i = 0
    while i < len(tokens):
        if not _opens(tokens, i, first_counts=first_counts):
            i += 1
            continue
        past = _extend(tokens, i)
        while past > i and tokens[past - 1].text.lower() in _JOINERS:
            past -= 1
        yield i, past
        i = max(past, i + 1)


def _opens(tokens: Sequence[Token], i: int, *, first_counts: bool) -> bool:
    token = tokens[i]
    if token.text.isdigit():
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        return following is not None and following.capital and following.lower not in COMMON_WORDS
    if not token.capital or (i == 0 and not first_counts):
        return False
    return token.lower not in COMMON_WORDS and len(token.text) > 1


def _extend(tokens: Sequence[Token], i: int) -> int:
    past = i + 1
    while past < len(tokens):
        token = tokens[past]
        if token.capital and (token.lower not in COMMON_WORDS or _is_inner(token)):
            past += 1
        elif token.text.lower() in _JOINERS and past + 1 < len(tokens) and _continues(tokens, past):
            past += 2
        else:
            break
    return past


def _is_inner(token: Token) -> bool:
    return len(token.text) > 3 and token.lower not in {"located", "there", "this", "that", "what", "please", "yes"}


def _continues(tokens: Sequence[Token], i: int) -> bool:
    following, joiner = tokens[i + 1], tokens[i]
    if joiner.text in {"-", "'", "’"}:
        return following.capital and joiner.start == tokens[i - 1].end and following.start == joiner.end
    if joiner.text.islower() and joiner.text in {"at", "on", "in", "and", "the"}:
        return False
    return following.capital and following.lower not in COMMON_WORDS


def is_address(tokens: Sequence[Token], first: int, past: int) -> bool:
    """Whether a run reads as a street address: a house number before it or a street word at its end."""
    numbered = tokens[first].text.isdigit() or (first > 0 and tokens[first - 1].text.isdigit())
    return numbered and any(tokens[i].lower in _STREETS for i in range(first + 1, past))

"""Recompute a claim's value from its quote alone. Shares nothing with what extracted it: that is the point."""

from __future__ import annotations

from contracts.amounts import amounts
from contracts.sameness import amount, differ, measures, same, tokens, truth, within
from nodes.affirmation import affirmed
from nodes.ground import Ground


def supported(value: str | None, ground: Ground) -> tuple[bool, str]:
    """Tell whether a quote carries a value, and why or why not.

    A value that is nothing but a number is carried when it is among the quote's numbers, however they are written, in
    no other currency and with the units it names; a truth value when the quote speaks of its key and affirms or denies
    it; any other value must stand in the quote, word after word. A record's field is what it says.
    """
    if value is None:
        return True, "nothing to recompute: the quote is the statement"
    if ground.stated is not None:
        held = same(value, ground.stated)
        return held, "the record says so" if held else "the record says something else"
    if (wanted := truth(value)) is not None:
        return affirmed(ground, value=wanted)
    if (number := amount(value)) is not None:
        held = number in amounts(ground.quote) and not differ(value, ground.quote)
        held = held and measures(value) <= measures(ground.quote)
        return held, "the number stands in the quote" if held else "the quote does not hold this number"
    held = within(tokens(value), tokens(ground.quote))
    return held, "the value stands in the quote" if held else "the value does not stand in the quote"

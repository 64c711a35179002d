"""Everyday English that a review needs: which words say the same, and which of a key's words say nothing.

The extractive model has tables of its own; these are kept apart so that a mistake of one is not a mistake of both.
"""

from __future__ import annotations

from nodes.ranking import stem


def bag(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in text.split())


_GROUPS = tuple(
    _stems(line)
    for line in """
    pet pets animal dog puppy cat kitten rabbit hamster parrot budgie bird spaniel terrier retriever poodle labrador
    furnished furniture furnishing furnishings unfurnished sofa
    visit viewing view see tour showing inspection inspect appointment walkthrough look
    parking park car garage driveway carport
    garden yard lawn backyard
    balcony terrace patio roof
    child children kid kids baby toddler daughter son school
    smoke smoking smoker cigarette
    lift elevator
    mortgage loan lender financing finance financed preapproved
    cash savings
    internet wifi broadband
    pool swimming swim
    gym fitness
    bath bathroom tub
    bed bedroom
    rent rental lease tenancy
    sell sale sold selling
    agent broker realtor
    lawyer solicitor attorney
    insurance insured insure
    deposit downpayment
    delivery deliver ship shipping
    return refund
    breakfast meal
    vegetarian vegan
    wheelchair accessible accessibility step-free stairs
    quiet noise noisy loud
    urgent asap soon immediately
    flexible open
    partner wife husband spouse
    job work employment employed
    """.strip().splitlines()
)
_BY_WORD: dict[str, frozenset[str]] = {}
for _group in _GROUPS:
    for _word in _group:
        _BY_WORD[_word] = _BY_WORD.get(_word, frozenset()) | _group

AGREED = _stems(
    """
    booked booking scheduled arranged reserved reservation confirmed agreed set fixed made placed ordered signed settled
    organised organized finalised finalized completed
    """
)
"""What a key that is about something agreed is named by."""

GENERIC = _stems(
    """
    a an the this that these those any some and or not no non of for to from in on at by with without as if is are was
    were be been it its their they he she his her there who which what when where how whether will would can could
    should may must do does did has have had boolean flag bool true false yes indicate indicates value lead leads
    customer client buyer user person people want wants wish wishes need needs needed require requires required prefer
    prefers ask asks like allowed allow allows permitted permit permits ok okay accept accepts come comes include
    includes included available friendly home homes house property properties flat apartment place thing things item
    product conversation chat bring get take make go use give mention mentioned said say interested particular other
    one first new status kind type
    """
)
"""Words of keys and descriptions that speak of no one thing."""


def alike(word: str) -> frozenset[str]:
    """Return the stems that say the same as a stem, itself among them."""
    return _BY_WORD.get(word, frozenset()) | {word}

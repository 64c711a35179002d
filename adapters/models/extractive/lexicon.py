"""General English: which words speak of the same thing. It knows no place, no product and no schema's key."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from adapters.models.extractive.text import bag, stem

CONCEPTS = {
    # what is sought
    "home": "home house apartment flat property condo condominium unit residence villa townhouse listing housing "
    "apartments dwelling accomodation estate duplex",
    "hotel": "hotel motel hostel inn resort lodging lodge bnb accommodation",
    "restaurant": "restaurant diner bistro eatery cafe table dine dining meal dinner lunch brunch reservation food eat",
    "vehicle": "car vehicle suv sedan hatchback van truck automobile convertible rental",
    "ride": "ride cab taxi uber lyft driver fare",
    "flight": "flight airline plane fly airport airplane",
    "transit": "train bus coach railway ferry",
    "show": "movie film concert theatre theater cinema gig musical",
    "medical": "doctor dentist physician clinic therapist dermatologist psychiatrist",
    "salon": "salon stylist hairdresser barber haircut",
    "calendar": "calendar agenda free openings",
    "bank": "bank transfer account payment cheque",
    "product": "product item model gadget device",
    # actions
    "visit": "visit view viewing tour see showing appointment inspection inspect walkthrough viewings check-up",
    "book": "book booking schedule scheduling arrange reserve reservation set confirm fix appoint organise organize "
    "arranged booked order purchase buy",
    "checkin": "checkin arrive arrival arriving check-in",
    "checkout": "checkout check-out vacate",
    "depart": "depart departure departing leave leaving",
    "pickup": "pickup pick collect collection",
    "dropoff": "dropoff drop return returning",
    "move": "move moving relocate relocation",
    "deliver": "deliver delivery ship shipping shipment",
    # attributes
    "bed": "bed bedroom sleep sleeping br bhk bdrm bedder bedrooms habitaciones dormitorios "
    "chambres quartos zimmer",
    "bath": "bath bathroom washroom restroom toilet shower ba baths ba\u00f1os salle",
    "room": "room",
    "pet": "pet animal dog cat puppy kitten labrador retriever terrier spaniel poodle lurcher greyhound beagle collie "
    "dachshund bulldog hound budgie parrot parakeet canary whippet pug corgi husky chihuahua mastiff setter "
    "cockatiel gerbil tortoises rabbit bunny hamster guinea goldfish tortoise ferret",
    "furnish": "furnish furnished furniture unfurnished furnishing furnishings",
    "price": "price rent cost rate charge pricing rental fee expense",
    "budget": "budget afford spend spending",
    "person": "person people guest adult traveler traveller passenger diner attendee us party seat head visitor "
    "rider ticket",
    "child": "child children kid kids baby toddler infant",
    "night": "night nights",
    "week": "week weeks",
    "month": "month months monthly",
    "wifi": "wifi wi-fi internet wireless broadband",
    "smoke": "smoke smoking smoker cigarette",
    "park": "parking garage carport",
    "breakfast": "breakfast",
    "pool": "pool swimming swim",
    "laundry": "laundry washer dryer washing laundromat",
    "gym": "gym fitness workout",
    "balcony": "balcony terrace patio",
    "garden": "garden yard backyard",
    "music": "music band",
    "outdoor": "outdoor outdoors outside",
    "vegetarian": "vegetarian vegan veggie meatless",
    "insure": "insurance insure insured coverage",
    "refund": "refund refundable",
    "direct": "nonstop direct",
    "warrant": "warranty guarantee",
    "star": "star stars rating rated",
    "size": "size sqft area_size square surface sqm",
    "colour": "colour color shade",
    "cuisine": "cuisine cooking kitchen",
    "phone": "phone telephone mobile contact cell",
    "address": "address street",
    "luggage": "luggage bag baggage suitcase",
    "transmission": "automatic manual transmission gearbox",
    "object": "objection concern worry hesitation drawback complaint",
    # what is asked for
    "place": "area city town location where neighborhood neighbourhood district region suburb place locality "
    "village county destination",
    "date": "date day when",
    "time": "time hour clock",
    "name": "name title called named",
    "count": "many number count",
}  # fmt: skip
PHRASES = {
    ("check", "in"): "checkin", ("checking", "in"): "checkin", ("check", "out"): "checkout",
    ("checking", "out"): "checkout", ("pick", "up"): "pickup", ("picking", "up"): "pickup",
    ("drop", "off"): "dropoff", ("dropping", "off"): "dropoff", ("wi", "fi"): "wifi", ("look", "at"): "visit",
    ("non", "stop"): "direct", ("come", "back"): "dropoff", ("coming", "back"): "dropoff",
    ("bring", "back"): "dropoff", ("bringing", "back"): "dropoff", ("bring", "it"): "dropoff",
    ("dropping", "it"): "dropoff", ("drop", "it"): "dropoff", ("pick", "it"): "pickup", ("set", "up"): "book",
}  # fmt: skip
DOMAINS = bag("home hotel restaurant vehicle ride flight transit show medical salon bank product")
_AMBIGUOUS = {"reservation": "book", "rental": "vehicle", "accommodation": "hotel"}
_BY_WORD = {word: concept for concept, words in CONCEPTS.items() for word in words.split()} | _AMBIGUOUS

FUNCTION_WORDS = bag(
    """
    a an the this that these those some any all each every no not nor and or but if so then than as at by for from
    in into of off on onto out over to up with within without about around near after before during until till
    between i me my mine we us our you your he him his she her it its they them their there here who whom whose
    which what when where why how is am are was were be been being do does did doing done have has had having will
    would shall should can could may might must let just only also too very really quite more most less least much
    many few other another else same such own again still yet now please thanks thank yes no yeah yep ok okay sure
    well hi hello hey i'm i'd i'll i've it's that's there's you're you'd you'll we're we'd they're don't doesn't
    didn't isn't aren't can't couldn't won't wouldn't shouldn't what's let's where's how's who's
    """
)
# Words that open a sentence or a phrase in capitals without being a name; NAMEABLE ones may be part of one.
NAMEABLE = bag(
    """
    one two three four five six seven eight nine ten first second third next last day time week month year number
    city town area place park home house apartment apartments flat property room rooms bedroom bath bed pet contact
    phone morning afternoon evening night may march april june august sunday green golden grand royal new old big
    little saint north south east west upper lower great good lovely perfect blue red white black the
    """
)
COMMON_WORDS = (
    FUNCTION_WORDS
    | NAMEABLE
    | bag(
        """
        nice fine alright right correct sorry sounds sound looks look looking find found search show get gets got
        give need needs want wants like love prefer think know see make made go going come comes work works help try
        book booked booking schedule scheduled scheduling confirm confirming confirmed visit visiting check today
        tomorrow tonight date name something anything nothing everything someone awesome excellent wonderful amazing
        cool absolutely definitely certainly actually maybe perhaps unfortunately however because since although
        while searching actual preferably ideally anywhere somewhere mostly both either neither apologies apologize
        welcome pleasure enjoy glad happy appreciate goodbye bye january february july september october november
        december monday tuesday wednesday thursday friday saturday nope nah not never always often rent price cost
        located baths bathroom bathrooms beds bedrooms pets furnished unfurnished address which whats thats lets
        total once ones results result options option also additionally mr mrs ms dr am pm usd approximately yup ya
        oh wow hmm um uh hold wait cancel change instead rather tell add put begin call use set start exactly
        fantastic later sir madam congratulation congratulations hope adding appointment event title label details
        detail reservation thank considering given based does allow allows can't im ive id youve available recommend
        suggest another called named per via pls hey ma'am miss yay super brilliant sweet understood noted done
        ready any anyway besides reserve order buy purchase pay take proceed send keep note requesting creating
        verify consider speak talk customer agent lead car ride cab table ticket tickets hotel restaurant movie
        flight train bus doctor asking under above below per none neither ooh oooh
        ah aah aww lol haha btw brill cheers ta thx yay okey aye ye mm market building general mind advance someone
        something mondays tuesdays wednesdays thursdays fridays saturdays sundays christmas easter spring summer autumn
        """
    )
)


# Other words for an everyday value of a closed set.
ALIKE = {
    "buy": ("purchase", "own"),
    "rent": ("rental", "lease"),
    "sell": ("resell",),
    "new": ("brand new",),
    "used": ("second hand", "pre owned"),
}
# Sorts of words that English keeps few of; which of them a key wants is read from the key.
SORTS = {
    "colour": bag(
        """
        red blue green black white grey gray silver gold yellow orange purple pink brown beige teal maroon navy
        turquoise violet cream
        """
    ),
    "cuisine": bag(
        """
        italian chinese mexican indian thai japanese french korean vietnamese greek spanish turkish lebanese
        american mediterranean ethiopian moroccan brazilian peruvian german british irish cuban caribbean persian
        african asian vegetarian vegan sushi pizza seafood barbecue bbq burgers steakhouse tapas ramen dessert
        bakery
        """
    ),
}


@lru_cache(maxsize=65536)
def concept(word: str) -> str:
    """Return the concept a lower-case word belongs to, or its stem when it belongs to none."""
    return next((_BY_WORD[form] for form in _forms(word) if form in _BY_WORD), stem(word))


def is_known(word: str) -> bool:
    """Whether a lower-case word speaks of one of the concepts."""
    return any(form in _BY_WORD for form in _forms(word))


def _forms(word: str) -> Iterator[str]:
    yield word
    for ending, others in (("ies", ("y",)), ("es", ("", "e")), ("s", ("",)), ("ed", ("", "e")), ("ing", ("", "e"))):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            base = word[: -len(ending)]
            yield from (base + other for other in others)
            if base[-1] == base[-2]:
                yield base[:-1]


def concepts(words: Sequence[str]) -> list[str]:
    """Return one concept per lower-case word; a two-word phrase ("check in") counts at its first word."""
    found = [concept(word) if word[0].isalpha() else "" for word in words]
    for i, pair in enumerate(pairwise(words)):
        phrase = PHRASES.get(pair)
        if phrase is not None:
            found[i], found[i + 1] = phrase, ""
    return found

"""Demographics as data: of each item the highest witness is believed, and of witnesses alike the newest word.

An item is what one field of PID says (HL7 v2.5.1 ch. 3.4.2): a name is one item, so that no person is made of the names
of two. The same words in any order give the same person.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, NamedTuple

from fj_events import PatientPhi

NAME: Final = "name"
ITEMS: Final[Mapping[str, tuple[str, ...]]] = {
    NAME: ("family_name", "given_name", "middle_name", "prefix", "suffix"),
    **{name: (name,) for name in ("ideographic_name", "phonetic_name", "birth_date", "sex", "address", "phone")},
}


class Witness(IntEnum):
    """Who speaks of a patient, the one to be believed last."""

    IMAGES = 1
    ORDER = 2
    """An order, and the PID of a merge or link: it names whom it is about."""
    REGISTRATION = 3
    """ADT is the authority."""


class Word(NamedTuple):
    """Who said something last, and when it was so by their clock. The greater one holds."""

    witness: Witness
    at: datetime


Words = Mapping[str, Word]
"""By item. What was kept before words were has none."""


class Demographics(NamedTuple):
    """What is believed of a person, and on whose word."""

    details: PatientPhi
    words: Words


def said(details: PatientPhi, word: Word, nulls: frozenset[str] = frozenset()) -> Words:
    """The items that somebody speaks of: what they leave out is not among them, what they delete is (ch. 2.5.3)."""
    return {item: word for item, names in ITEMS.items() if item in nulls or _has(details, names)}


def heard(known: Demographics, news: Demographics, *, provisional: bool) -> Demographics:
    """What is believed after more was said. At one instant the later message holds: a sender's are in order."""
    taken = [item for item, word in news.words.items() if word >= _word(known, item, provisional=provisional)]
    values = {name: getattr(news.details, name) for item in taken for name in ITEMS[item]}
    words = {**known.words, **{item: news.words[item] for item in taken}}
    return Demographics(known.details.model_copy(update=values), words)


def _word(known: Demographics, item: str, *, provisional: bool) -> Word:
    word = known.words.get(item)
    if word is not None:
        return word
    believed = not provisional and _has(known.details, ITEMS[item])
    return Word(Witness.REGISTRATION if believed else Witness.IMAGES, datetime.min.replace(tzinfo=UTC))


def _has(details: PatientPhi, names: tuple[str, ...]) -> bool:
    return any(getattr(details, name) is not None for name in names)

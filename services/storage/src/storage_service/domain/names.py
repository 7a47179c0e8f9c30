"""Whether two person names may be one person's, however they were typed.

Devices, registration desks and interpreters write one name in many ways: capitals without accents, titles inside the
name, no middle name, family and given name the wrong way round, cut at what an old field holds. None of that makes
another person. A name that stands for nobody (an emergency, a newborn) says nothing about who somebody is.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from fj_events import PatientPhi


class Likeness(IntEnum):
    """How alike two names are, the least first."""

    DIFFERENT = 0
    UNKNOWN = 1
    """One of them is absent or stands for nobody."""
    NEAR = 2
    """A typing error, an initial, another family name: one person's or another's. The name alone does not decide."""
    SAME = 3


_LETTERS: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"}
)
_JOINED: Final = re.compile("['`.\u2019\u00b4]")
"""Left out: O'Brien is OBrien, Dr. is Dr."""
_UMLAUT: Final = re.compile(r"([aou])e")
"""Müller is Mueller and Muller."""
_APART: Final = re.compile(r"[\W_]+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TITLES: Final = _set(
    "dr prof med mr mrs ms miss sir dame herr frau hr fr mme mlle sr sra jr snr jnr phd md bsc msc ii iii iv"
)
_PARTICLES: Final = _set("von van vom zu de der den di da del della dos la le al el bin ben ibn")
"""Of family names: they come and go."""
_NOBODY: Final = _set(
    "unknown unbekannt unbekannter unbekannte onbekend inconnu inconnue desconocido desconocida sconosciuto nn nnn xx"
    " xxx emergency notfall trauma anonymous anonym unidentified noname"
)
"""A name with one of these words is nobody's."""
_DOE: Final = _set("john jane baby")
_NEWBORN: Final = _set("baby babyboy babygirl boy girl newborn infant twin neugeborenes bebe")
"""Given names of those who have none yet."""
_LONG_ENOUGH: Final = (3, 4)
"""The shorter and the longer of two words: in shorter ones, one wrong letter makes another name."""


def alike(one: PatientPhi, other: PatientPhi) -> Likeness:
    """How alike they are in the component group in which they are most alike (PS3.5 6.2.1.1)."""
    groups = (
        _compared(_alphabetic(one), _alphabetic(other)),
        _compared(_group(one.ideographic_name), _group(other.ideographic_name)),
        _compared(_group(one.phonetic_name), _group(other.phonetic_name)),
    )
    known = [group for group in groups if group is not Likeness.UNKNOWN]
    return max(known, default=Likeness.UNKNOWN)


Name = tuple[tuple[str, ...], tuple[str, ...]]
"""The words of the family name, and those of the given names."""


def _alphabetic(patient: PatientPhi) -> Name:
    given = " ".join(part for part in (patient.given_name, patient.middle_name) if part)
    return _family(patient.family_name), _words(given)


def _group(written: str | None) -> Name:
    family, _, given = (written or "").partition("^")
    return _family(family), _words(given)


def _family(written: str | None) -> tuple[str, ...]:
    words = _words(written)
    return tuple(word for word in words if word not in _PARTICLES) or words


def _words(written: str | None) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", (written or "").casefold().translate(_LETTERS))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = _APART.split(_UMLAUT.sub(r"\1", _JOINED.sub("", bare)))
    return tuple(word for word in words if word and word not in _TITLES)


def _compared(one: Name, other: Name) -> Likeness:
    if _is_nobodys(one) or _is_nobodys(other):
        return Likeness.UNKNOWN
    left, right = {*one[0], *one[1]}, {*other[0], *other[1]}
    shared = left & right
    if left == right or (len(shared) > 1 and shared in (left, right)):
        return Likeness.SAME  # in whatever order, and without a middle name
    return Likeness.NEAR if _are_near(one, other) or _are_near(one, other[::-1]) else Likeness.DIFFERENT


def _are_near(one: Name, other: Name) -> bool:
    """One person may be written so: the names the wrong way round are compared by the caller."""
    (family, given), (other_family, other_given) = one, other
    if not _given(given) or not _given(other_given):
        return _meet(family, other_family)
    if _meet(family, other_family):
        return _meet(given, other_given) or given[0][0] == other_given[0][0] == min(given[0], other_given[0])
    return bool(set(given) & set(other_given)) and len(given[0]) > 1  # another family name: a marriage, a divorce


def _given(words: tuple[str, ...]) -> bool:
    return not set(words) <= _NEWBORN


def _meet(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a word of the one is a word of the other, but for a typing error or an end that was cut off."""
    return any(_nearly(word, other) for word in some for other in others)


def _nearly(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < _LONG_ENOUGH[0] or len(long) < _LONG_ENOUGH[1]:
        return False
    return long.startswith(short) or _is_one_slip(short, long)


def _is_one_slip(short: str, long: str) -> bool:
    """One letter wrong, too many, or two neighbours exchanged."""
    at = next((place for place, letter in enumerate(short) if letter != long[place]), len(short))
    if len(short) != len(long):
        return short[at:] == long[at + 1 :]
    exchanged = short[at + 1 : at + 2] + short[at : at + 1] + short[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or exchanged == long[at:]


def _is_nobodys(name: Name) -> bool:
    words = {*name[0], *name[1]}
    doe = "do" in words and words & _DOE  # as its umlaut is left out
    return not words or bool(words & _NOBODY) or bool(doe) or words <= _NEWBORN

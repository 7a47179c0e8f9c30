"""Names as people write them: without accents and case, with the spellings that stand for one another."""

import unicodedata
from typing import Final

_SPELT_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_SHORT: Final = 4
"""In a name with fewer letters every letter counts."""
_LONG: Final = 8
_PHONE_DIGITS: Final = 7
"""The end of a telephone number that is the same with and without country and area code."""


def fold(text: str) -> str:
    """Letters and digits alone, without case and accents; words are parted by one blank."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = (
        character if character.isalnum() else " " for character in decomposed if not unicodedata.combining(character)
    )
    return " ".join("".join(kept).split())


def spellings(name: str) -> frozenset[str]:
    """Müller is Muller to one system and Mueller to another."""
    composed = unicodedata.normalize("NFC", name.casefold())
    return frozenset(filter(None, (fold(composed), fold(composed.translate(_SPELT_OUT)))))


def is_close(one: str, other: str) -> bool:
    """Whether folded names differ by a slip: one letter, in a long name two; or one is a part of a double name."""
    if _is_part(one, other) or _is_part(other, one):
        return True
    shorter, longer = sorted((len(one), len(other)))
    slips = 0 if shorter < _SHORT else 2 if shorter >= _LONG else 1
    return longer - shorter <= slips and distance(one, other) <= slips


def distance(one: str, other: str) -> int:
    """Letters left out, put in, changed, or swapped with their neighbour (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            cost = letter != against
            best = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + cost)
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                best = min(best, before[column - 2] + 1)
            line.append(best)
        before, last = last, line
    return last[-1]


def phone_end(phone: str | None) -> str:
    """The digits of a telephone number that tell; none of one that is too short."""
    digits = "".join(character for character in phone or "" if character.isascii() and character.isdigit())
    return digits[-_PHONE_DIGITS:] if len(digits) >= _PHONE_DIGITS else ""


def _is_part(one: str, other: str) -> bool:
    words = other.split()
    return len(words) > 1 and one in words and len(one) >= _SHORT

"""How likely two records are of one person: Fellegi and Sunter's weights over what the records say (JASA 64, 1969).

Each item that both records have is compared; the outcome has a chance among records of one person (m) and among records
of two (u), and weighs log2(m/u). What either leaves out weighs nothing. The chances are published settings.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

from fj_events import PatientPhi, Sex
from pydantic import BaseModel, ConfigDict, Field, model_validator

from patient_service.domain.names import distance, fold, is_close, phone_end, spellings

SAME: Final = "same"
DIFFERENT: Final = "different"
_CLOSE: Final = "close"
_SWAPPED: Final = "swapped"
_TELLING_SEXES: Final = frozenset({Sex.MALE, Sex.FEMALE})
Chance = Annotated[float, Field(gt=0, lt=1)]


class Grade(StrEnum):
    """What follows from a score."""

    CERTAIN = "certain"
    PROBABLE = "probable"
    NONE = "none"


class Odds(BaseModel):
    """Of an outcome: its chance among records of one person, and among records of two."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    m: Chance
    u: Chance

    @property
    def weight(self) -> float:
        return math.log2(self.m / self.u)


class Rules(BaseModel):
    """The published settings of the matcher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    review: float
    """From this score on a person looks at the pair."""
    certain: float
    """From this score on there is no doubt, unless something speaks against it."""
    link: bool = False
    """Whether pairs without doubt are linked by the machine; else they too are for a person."""
    doubts: frozenset[str]
    """Outcomes, `given name different`, that leave a doubt whatever the score: twins agree in all else."""
    items: Mapping[str, Mapping[str, Odds]]
    placeholders: frozenset[str] = frozenset()
    """Names that are none, folded."""
    nicknames: tuple[frozenset[str], ...] = ()
    """Given names, folded, that stand for one another."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Rules":
        outcomes = {item: set(odds) for item, odds in self.items.items()}
        if outcomes != {item: set(known) for item, known in OUTCOMES.items()}:
            raise ValueError(f"the items and their outcomes have to be {dict(OUTCOMES)}")
        if self.review > self.certain:
            raise ValueError("review has to be below certain")
        return self


class Outcome(NamedTuple):
    """What comparing one item has shown."""

    item: str
    outcome: str
    weight: float

    def __str__(self) -> str:
        return f"{self.item} {self.outcome}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much two records agree, and in what."""

    outcomes: tuple[Outcome, ...]
    score: float
    grade: Grade

    @property
    def reasons(self) -> tuple[str, ...]:
        """In words, without what the records say."""
        return tuple(map(str, self.outcomes))


OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "family name": (SAME, _CLOSE, _SWAPPED, DIFFERENT),
        "given name": (SAME, "nickname", "initial", _CLOSE, _SWAPPED, DIFFERENT),
        "ideographic name": (SAME, DIFFERENT),
        "birth date": (SAME, "transposed", "one digit", DIFFERENT),
        "sex": (SAME, DIFFERENT),
        "postal code": (SAME, DIFFERENT),
        "street": (SAME, _CLOSE, DIFFERENT),
        "phone": (SAME, DIFFERENT),
    }
)
"""What is compared, and what comes of it."""


def compare(one: PatientPhi, other: PatientPhi, rules: Rules) -> Verdict:
    """Whether two records may be of one person. Which is which does not matter."""
    outcomes = tuple(
        Outcome(item, outcome, rules.items[item][outcome].weight) for item, outcome in _outcomes(one, other, rules)
    )
    score = round(sum(outcome.weight for outcome in outcomes), 2)
    return Verdict(outcomes, score, _grade(outcomes, score, rules))


def sharing(verdict: Verdict, number: str) -> Verdict:
    """The verdict on two records that carry one number and contradict each other: for a person, whatever the score."""
    return Verdict((Outcome(number, SAME, 0.0), *verdict.outcomes), verdict.score, Grade.PROBABLE)


def is_doubted(outcomes: Iterable[Outcome], rules: Rules) -> bool:
    """Whether something leaves a doubt, whatever the score."""
    return any(str(outcome) in rules.doubts for outcome in outcomes)


def share(score: float, rules: Rules) -> float:
    """The score between 0 and 1, as FHIR tells it: 1 is beyond doubt."""
    return round(min(max(score / rules.certain, 0.0), 1.0), 2)


def _grade(outcomes: Iterable[Outcome], score: float, rules: Rules) -> Grade:
    if score < rules.review:
        return Grade.NONE
    return Grade.PROBABLE if is_doubted(outcomes, rules) or score < rules.certain else Grade.CERTAIN


def _outcomes(one: PatientPhi, other: PatientPhi, rules: Rules) -> Iterator[tuple[str, str]]:
    yield from _names(one, other, rules)
    for item, read, judge in _ITEMS:
        mine, theirs = read(one), read(other)
        if mine and theirs:
            yield item, judge(mine, theirs)


def _names(one: PatientPhi, other: PatientPhi, rules: Rules) -> Iterator[tuple[str, str]]:
    family, given = _name(one.family_name, rules), _name(one.given_name, rules)
    their_family, their_given = _name(other.family_name, rules), _name(other.given_name, rules)
    swapped = family & their_given and given & their_family and not family & their_family
    if swapped:
        yield from (("family name", _SWAPPED), ("given name", _SWAPPED))
        return
    if family and their_family:
        yield "family name", _spelling(family, their_family)
    if given and their_given:
        yield "given name", _given(given, their_given, rules)


def _name(name: str | None, rules: Rules) -> frozenset[str]:
    return spellings(name or "") - rules.placeholders


def _spelling(one: frozenset[str], other: frozenset[str]) -> str:
    if one & other:
        return SAME
    return _CLOSE if any(is_close(mine, theirs) for mine in one for theirs in other) else DIFFERENT


def _given(one: frozenset[str], other: frozenset[str], rules: Rules) -> str:
    found = _spelling(one, other)
    if found == SAME:
        return found
    if any(one & group and other & group for group in rules.nicknames):
        return "nickname"
    initials = {min(name, key=len) for name in (min(one, key=len), min(other, key=len)) if len(name) == 1}
    if initials and all(name[0] in initials for name in one | other):
        return "initial"
    return found


def _birth_date(one: date, other: date) -> str:
    mine, theirs = one.strftime("%Y%m%d"), other.strftime("%Y%m%d")
    if mine == theirs:
        return SAME
    day_and_month = mine[:4] == theirs[:4] and mine[4:6] == theirs[6:] and mine[6:] == theirs[4:6]
    steps = distance(mine, theirs)
    if day_and_month or (steps == 1 and sorted(mine) == sorted(theirs)):
        return "transposed"
    return "one digit" if steps == 1 else DIFFERENT


def _equal(one: object, other: object) -> str:
    return SAME if one == other else DIFFERENT


def _street(one: str, other: str) -> str:
    return _spelling(spellings(one), spellings(other))


_ITEMS: Final[tuple[tuple[str, Callable[[PatientPhi], object], Callable[..., str]], ...]] = (
    ("ideographic name", lambda phi: fold((phi.ideographic_name or "").replace("^", " ")), _equal),
    ("birth date", lambda phi: phi.birth_date, _birth_date),
    ("sex", lambda phi: phi.sex if phi.sex in _TELLING_SEXES else None, _equal),
    ("postal code", lambda phi: fold((phi.address and phi.address.postal_code) or "").replace(" ", ""), _equal),
    ("street", lambda phi: fold((phi.address and phi.address.line) or ""), _street),
    ("phone", lambda phi: phone_end(phi.phone), _equal),
)

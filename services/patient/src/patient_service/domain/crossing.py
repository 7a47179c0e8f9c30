"""Which numbers are one person's: what a cross-reference manager answers (IHE PIXm, ITI-83)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from fj_events import Identifier

from patient_service.domain.patient import Patient, identifiers


@dataclass(frozen=True, slots=True)
class SamePerson:
    """All patients that are one person."""

    used: tuple[Patient, ...]
    """Those whose number is in use."""
    gone: frozenset[Identifier]
    """Numbers that were merged away: they stand for nobody."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The other numbers of a person, and the patients that have them."""

    numbers: tuple[Identifier, ...]
    patient_ids: tuple[UUID, ...]


def crossing(source: Identifier, person: SamePerson, wanted: Collection[str]) -> Crossing:
    """All numbers in use of the person, but the one that was asked with; `wanted`: of these issuers alone."""
    numbers = (number for patient in person.used for number in _numbers(patient, person, wanted))
    told = (patient.patient_id for patient in person.used if not wanted or any(_numbers(patient, person, wanted)))
    return Crossing(tuple(dict.fromkeys(number for number in numbers if number != source)), tuple(told))


def _numbers(patient: Patient, person: SamePerson, wanted: Collection[str]) -> Iterable[Identifier]:
    used = (number for number in identifiers(patient) if number not in person.gone)
    return [number for number in used if not wanted or number.issuer in wanted]

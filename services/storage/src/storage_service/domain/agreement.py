"""What the images and an order say about the same thing, side by side: whether it agrees, and what that is worth."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fj_events import PatientPhi

from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.names import Likeness, alike


class Criterion(StrEnum):
    """What is compared."""

    STUDY_UID = "study_uid"
    ACCESSION = "accession"
    PROCEDURE = "requested_procedure"
    STEP = "scheduled_step"
    PATIENT = "patient_number"
    NAME = "name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    MODALITY = "modality"
    DAY = "day"
    STATION = "station"


class Agreement(StrEnum):
    """What came out of it."""

    AGREES = "agrees"
    NEAR = "near"
    DIFFERS = "differs"
    UNKNOWN = "unknown"
    """One of them does not say."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One criterion, as the images and the order have it."""

    criterion: Criterion
    agreement: Agreement
    points: int
    images: str
    order: str


POINTS: Final[Mapping[Criterion, tuple[int, int, int]]] = MappingProxyType(
    {
        Criterion.STUDY_UID: (60, 0, 0),
        Criterion.ACCESSION: (50, 15, -20),
        Criterion.PROCEDURE: (20, 0, -5),
        Criterion.STEP: (20, 0, -5),
        Criterion.PATIENT: (30, 0, -15),
        Criterion.NAME: (20, 10, -40),
        Criterion.BIRTH_DATE: (15, 5, -25),
        Criterion.SEX: (5, 0, -40),
        Criterion.MODALITY: (5, 0, -20),
        Criterion.DAY: (10, 5, -10),
        Criterion.STATION: (5, 0, 0),
    }
)
"""For what agrees, is near, differs. What one side does not say counts nothing."""
_OF_LIKENESS: Final = MappingProxyType(
    {
        Likeness.SAME: Agreement.AGREES,
        Likeness.NEAR: Agreement.NEAR,
        Likeness.DIFFERENT: Agreement.DIFFERS,
        Likeness.UNKNOWN: Agreement.UNKNOWN,
    }
)
_BEST: Final = (Agreement.AGREES, Agreement.NEAR, Agreement.UNKNOWN, Agreement.DIFFERS)
_DEFAULT_DAY: Final = (1, 1)
"""What is written where only the year is known."""


def compared(study: StudyKeys, order: OrderKeys) -> tuple[Finding, ...]:
    """Every criterion."""
    return tuple(
        Finding(criterion, agreement, _points(criterion, agreement), images, ordered)
        for criterion, judge in _JUDGES.items()
        for agreement, images, ordered in [judge(study, order)]
    )


def score(findings: Iterable[Finding]) -> int:
    """How well it fits."""
    return sum(finding.points for finding in findings)


def contradictions(study: StudyKeys, order: OrderKeys) -> tuple[str, ...]:
    """Who the images show, against whom the order is for: `name`, `birth_date`, `sex`. Empty: it may be one person."""
    if study.patient_confirmed and order.whose in study.patient_ids:
        return ()
    return _contradictions(study.patient, order.named, _patient(study, order)[0])


def strangers(study: StudyKeys, registered: Sequence[PatientPhi]) -> tuple[str, ...]:
    """The same, against whom the number on the images is registered to."""
    return () if study.patient_confirmed else _contradictions(study.patient, registered, Agreement.AGREES)


def agrees_by_name(study: StudyKeys, order: OrderKeys) -> bool:
    """Whether images and order name one person."""
    return _name(study.patient, order.named)[0] is Agreement.AGREES


def persons(study: StudyKeys, named: Sequence[PatientPhi]) -> tuple[Finding, ...]:
    """What the images say of their patient beside what is registered."""
    return tuple(
        Finding(criterion, agreement, _points(criterion, agreement), images, registered)
        for criterion, judge in _PERSONAL.items()
        for agreement, images, registered in [judge(study.patient, named)]
    )


def _contradictions(patient: PatientPhi, named: Sequence[PatientPhi], number: Agreement) -> tuple[str, ...]:
    """What differs so much that it may be two persons; `number`: whether the patient's number is the same one.

    A name that is near enough to be the same one needs the patient's number beside it, or the birth date where the
    numbers cannot be compared. Where nobody knew the name, the birth date was a guess, and the sex too if the number
    says who it is.
    """
    name, born, sex = (judge(patient, named)[0] for judge in _PERSONAL.values())
    born_agrees = born is Agreement.AGREES and number is Agreement.UNKNOWN
    unsure = name is Agreement.NEAR and number is not Agreement.AGREES and not born_agrees
    found = {
        Criterion.NAME: unsure or name is Agreement.DIFFERS,
        Criterion.BIRTH_DATE: born is Agreement.DIFFERS and name is not Agreement.UNKNOWN,
        Criterion.SEX: sex is Agreement.DIFFERS and (name, number) != (Agreement.UNKNOWN, Agreement.AGREES),
    }
    return tuple(criterion for criterion, contradicts in found.items() if contradicts)


Said = tuple[Agreement, str, str]
"""The agreement, what the images say, what the order says."""


def _points(criterion: Criterion, agreement: Agreement) -> int:
    agrees, near, differs = POINTS[criterion]
    worth = {Agreement.AGREES: agrees, Agreement.NEAR: near, Agreement.DIFFERS: differs}
    return worth.get(agreement, 0)


def _equal(one: str | None, other: str | None) -> Said:
    if not one or not other:
        return Agreement.UNKNOWN, one or "", other or ""
    return (Agreement.AGREES if one == other else Agreement.DIFFERS), one, other


def _overlap(some: Iterable[str], others: Iterable[str]) -> Said:
    left, right = sorted(some), sorted(others)
    said = ", ".join(left), ", ".join(right)
    if not left or not right:
        return Agreement.UNKNOWN, *said
    return (Agreement.DIFFERS if set(left).isdisjoint(right) else Agreement.AGREES), *said


def _accession(study: StudyKeys, order: OrderKeys) -> Said:
    agreement, images, ordered = _equal(str(study.accession_number or ""), str(order.accession_number))
    same_value = study.accession_number is not None and study.accession_number.value == order.accession_number.value
    return (Agreement.NEAR if agreement is Agreement.DIFFERS and same_value else agreement), images, ordered


def _patient(study: StudyKeys, order: OrderKeys) -> Said:
    """Numbers of different issuers may well be one person's."""
    ours, theirs = study.patient.id, next((named.id for named in order.named if named.id), None)
    said = str(ours or ""), str(theirs or "")
    if order.whose in study.patient_ids:
        return Agreement.AGREES, *said
    comparable = ours is not None and theirs is not None and ours.issuer == theirs.issuer
    return (Agreement.DIFFERS if comparable else Agreement.UNKNOWN), *said


def _name(patient: PatientPhi, named: Sequence[PatientPhi]) -> Said:
    return _of_persons(patient, named, lambda one, other: _OF_LIKENESS[alike(one, other)], _written)


def _birth_date(patient: PatientPhi, named: Sequence[PatientPhi]) -> Said:
    return _of_persons(
        patient,
        named,
        lambda one, other: _dates(one.birth_date, other.birth_date),
        lambda patient: patient.birth_date.isoformat() if patient.birth_date else "",
    )


def _sex(patient: PatientPhi, named: Sequence[PatientPhi]) -> Said:
    def judged(one: PatientPhi, other: PatientPhi) -> Agreement:
        known = {one.sex, other.sex} <= {"M", "F"}
        if not known:
            return Agreement.UNKNOWN
        return Agreement.AGREES if one.sex == other.sex else Agreement.DIFFERS

    return _of_persons(patient, named, judged, lambda patient: patient.sex or "")


def _of_persons(
    patient: PatientPhi,
    named: Sequence[PatientPhi],
    judge: Callable[[PatientPhi, PatientPhi], Agreement],
    write: Callable[[PatientPhi], str],
) -> Said:
    """Whoever is meant has several names, on the order and today: the one that agrees best counts."""
    judged = [(judge(patient, other), write(other)) for other in named]
    known = [each for each in judged if each[0] is not Agreement.UNKNOWN] or judged
    agreement, ordered = min(known, key=lambda each: _BEST.index(each[0]), default=(Agreement.UNKNOWN, ""))
    return agreement, write(patient), ordered


def _dates(one: date | None, other: date | None) -> Agreement:
    if one is None or other is None:
        return Agreement.UNKNOWN
    if one == other:
        return Agreement.AGREES
    slips = sum(left != right for left, right in zip(one.timetuple()[:3], other.timetuple()[:3], strict=True))
    exchanged = one.year == other.year and (one.month, one.day) == (other.day, other.month)
    guessed = one.year == other.year and _DEFAULT_DAY in {(one.month, one.day), (other.month, other.day)}
    return Agreement.NEAR if slips == 1 or exchanged or guessed else Agreement.DIFFERS


def _day(study: StudyKeys, order: OrderKeys) -> Said:
    days = abs((study.day - order.day).days)
    agreement = {0: Agreement.AGREES, 1: Agreement.NEAR}.get(days, Agreement.DIFFERS)
    return agreement, study.day.isoformat(), order.day.isoformat()


def _written(patient: PatientPhi) -> str:
    parts = (patient.family_name, patient.given_name, patient.middle_name)
    groups = (", ".join(part for part in parts if part), patient.ideographic_name, patient.phonetic_name)
    return " = ".join(group for group in groups if group)


_PERSONAL: Final[Mapping[Criterion, Callable[[PatientPhi, Sequence[PatientPhi]], Said]]] = MappingProxyType(
    {Criterion.NAME: _name, Criterion.BIRTH_DATE: _birth_date, Criterion.SEX: _sex}
)
_JUDGES: Final[Mapping[Criterion, Callable[[StudyKeys, OrderKeys], Said]]] = MappingProxyType(
    {
        Criterion.STUDY_UID: lambda study, order: _equal(study.study_instance_uid, order.study_instance_uid),
        Criterion.ACCESSION: _accession,
        Criterion.PROCEDURE: lambda study, order: _overlap(
            study.requested_procedure_ids, filter(None, [order.requested_procedure_id])
        ),
        Criterion.STEP: lambda study, order: _overlap(study.step_ids, order.step_ids),
        Criterion.PATIENT: _patient,
        Criterion.NAME: lambda study, order: _name(study.patient, order.named),
        Criterion.BIRTH_DATE: lambda study, order: _birth_date(study.patient, order.named),
        Criterion.SEX: lambda study, order: _sex(study.patient, order.named),
        Criterion.MODALITY: lambda study, order: _overlap(study.modalities, order.modalities),
        Criterion.DAY: _day,
        Criterion.STATION: lambda study, order: _overlap(filter(None, [study.station]), order.stations),
    }
)

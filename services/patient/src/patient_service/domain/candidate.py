"""Who may be the person that somebody describes: what FHIR's Patient/$match answers, by the matcher's own rules."""

from collections.abc import Iterable
from dataclasses import dataclass

from fj_events import PatientPhi

from patient_service.domain.matching import Grade, Rules, compare, is_doubted, share
from patient_service.domain.patient import Patient


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patient, and how sure the matcher is."""

    patient: Patient
    grade: Grade
    score: float
    """From 0 to 1."""


def candidates(asked: PatientPhi, records: Iterable[Patient], rules: Rules) -> list[Candidate]:
    """Those of the records that may be who is described, the likeliest first."""
    judged = (_judged(asked, record, rules) for record in records)
    found = [each for each in judged if each.grade is not Grade.NONE]
    return sorted(found, key=lambda each: (each.grade is not Grade.CERTAIN, -each.score, each.patient.patient_id))


def certain(found: Iterable[Candidate]) -> list[Candidate]:
    """The one that there is no doubt about; nobody where there are several."""
    sure = [each for each in found if each.grade is Grade.CERTAIN]
    return sure if len(sure) == 1 else []


def _judged(asked: PatientPhi, record: Patient, rules: Rules) -> Candidate:
    """A number that both have proves it, unless something else leaves a doubt: then it is no more than a hint."""
    verdict = compare(asked, record.details, rules)
    if not _numbers(asked) & _numbers(record.public):
        return Candidate(record, verdict.grade, share(verdict.score, rules))
    if is_doubted(verdict.outcomes, rules):
        return Candidate(record, Grade.PROBABLE, share(max(verdict.score, rules.review), rules))
    return Candidate(record, Grade.CERTAIN, 1.0)


def _numbers(phi: PatientPhi) -> set[object]:
    return {number for number in (phi.id, *phi.other_ids) if number}

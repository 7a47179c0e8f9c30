"""What is said of patients: the facts, made of what is known."""

from dataclasses import dataclass
from uuid import UUID

from fj_events import PatientLinked, PatientMerged, PatientUnlinked, PatientUnmerged, Source

from patient_service.domain.following import Following
from patient_service.domain.link import Link
from patient_service.domain.merge import Merge, Whose
from patient_service.domain.patient import Patient


@dataclass(frozen=True, slots=True)
class Act:
    """Where and why merges change."""

    site: str
    source: Source
    reason: str


def state_of(patient: Patient) -> dict[str, object]:
    """The fields of `patient.registered` and `patient.updated`."""
    return {
        "site": patient.site,
        "patient_id": patient.patient_id,
        "provisional": patient.provisional,
        "source": patient.source,
        "patient": patient.public,
    }


def moved(
    merge: Merge, now: Whose | None, act: Act, patient: Patient, survivor: Patient | None
) -> PatientMerged | PatientUnmerged:
    """Whose a number is from now on, where others were told otherwise. `survivor` is the one of `now`."""
    before = merge.stated
    if now is None or survivor is None:
        return _unmerged(before.survivor if before else merge.into, None, act, patient)
    if now.until is not None and before is not None and before.until != now.until:
        return _unmerged(now.survivor, now, act, patient)
    return PatientMerged(
        site=act.site,
        patient_id=merge.patient_id,
        survivor_id=now.survivor,
        until=now.until,
        merged_at=merge.at,
        source=act.source,
        patient=patient.details,
        survivor=survivor.public,
    )


def to_follow(fact: PatientMerged | PatientUnmerged, fact_id: UUID) -> Following:
    """What the rooms have to follow: this fact, whatever came before."""
    owner = fact.survivor_id if isinstance(fact, PatientMerged) else fact.patient_id
    return Following(patient_id=fact.patient_id, fact_id=fact_id, site=fact.site, survivor_id=owner)


def stands_for(number: UUID, enterprise_id: UUID | None, said: Link, site: str) -> PatientLinked | PatientUnlinked:
    """Which person a number stands for after a statement about it, or about numbers that hang together with it."""
    joined = said.linked and enterprise_id is not None
    fact = PatientLinked if joined else PatientUnlinked
    return fact(
        site=site, patient_id=number, enterprise_id=enterprise_id or number, basis=said.basis, reason=said.reason
    )


def _unmerged(survivor_id: UUID, now: Whose | None, act: Act, patient: Patient) -> PatientUnmerged:
    return PatientUnmerged(
        site=act.site,
        patient_id=patient.patient_id,
        survivor_id=survivor_id,
        until=now.until if now else None,
        reason=act.reason,
        patient=patient.details,
    )

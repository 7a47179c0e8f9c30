"""What is said of patients: the facts, made of what is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fj_events import FormerHolder, PatientLinked, PatientMerged, PatientUnlinked, PatientUnmerged, Source

from patient_service.domain.following import Following, LinkFollowing
from patient_service.domain.link import Link
from patient_service.domain.merge import Number, Whose
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
    number: Number, now: Sequence[Whose], act: Act, patient: Patient, survivors: Mapping[UUID, Patient]
) -> PatientMerged | PatientUnmerged:
    """Whose a number is from now on, where others were told otherwise. `survivors` are those of `now`."""
    earlier = tuple(
        FormerHolder(survivor_id=each.survivor, until=each.until, survivor=survivors[each.survivor].public)
        for each in now
        if each.until is not None
    )
    last = now[-1] if now else None
    before = number.stated[-1] if number.stated else None
    was_open = before is not None and before.until is None
    if last is None or (last.until is not None and was_open):
        given_away = last if last and last.until not in {each.until for each in number.stated} else None
        return _unmerged(given_away, before, act, patient, earlier)
    return PatientMerged(
        site=act.site,
        patient_id=number.patient_id,
        survivor_id=last.survivor,
        until=last.until,
        merged_at=_merged_at(number, last.until),
        source=act.source,
        patient=patient.details,
        survivor=survivors[last.survivor].public,
        earlier=earlier if last.until is None else earlier[:-1],
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


def link_to_follow(fact: PatientLinked | PatientUnlinked, fact_id: UUID) -> LinkFollowing:
    """What the rooms that answer for persons have to follow: this fact, whatever came before."""
    return LinkFollowing(patient_id=fact.patient_id, fact_id=fact_id, site=fact.site, enterprise_id=fact.enterprise_id)


def _unmerged(
    given_away: Whose | None, before: Whose | None, act: Act, patient: Patient, earlier: tuple[FormerHolder, ...]
) -> PatientUnmerged:
    holder = given_away or before
    return PatientUnmerged(
        site=act.site,
        patient_id=patient.patient_id,
        survivor_id=holder.survivor if holder else patient.patient_id,
        until=given_away and given_away.until,
        reason=act.reason,
        patient=patient.details,
        earlier=earlier,
    )


def _merged_at(number: Number, until: datetime | None) -> datetime:
    """When the merge was made by which the last holder is who it is."""
    said = [tenure.merge.at for tenure in number.tenures() if tenure.until == until and tenure.merge]
    return max(said, default=max(merge.at for merge in number.merges))

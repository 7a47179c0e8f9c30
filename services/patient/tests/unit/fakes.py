"""Patients and merges in memory, and a reader of facts that keeps one row per number, as every other room does."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from fj_events import Fact, Identifier, PatientLinked, PatientMerged, PatientUnlinked, PatientUnmerged
from patient_service.domain.following import Following, LinkFollowing
from patient_service.domain.link import Link
from patient_service.domain.merge import Number
from patient_service.domain.patient import Patient, identifiers
from patient_service.domain.reuse import Announcement


class MemoryPatients:
    def __init__(self) -> None:
        self.kept: dict[UUID, Patient] = {}
        self.facts: list[Fact] = []

    async def by_id(self, patient_id: UUID) -> Patient | None:
        return self.kept.get(patient_id)

    async def add(self, patient: Patient) -> bool:
        fresh = patient.patient_id not in self.kept
        self.kept.setdefault(patient.patient_id, patient)
        return fresh

    async def save(self, patient: Patient) -> None:
        self.kept[patient.patient_id] = patient

    def emit(self, fact: Fact) -> UUID:
        self.facts.append(fact)
        return UUID(int=len(self.facts))


class MemoryMerges:
    def __init__(self) -> None:
        self.kept: dict[UUID, Number] = {}
        self.followings: dict[UUID, Following] = {}
        self.announced: dict[UUID, dict[tuple[object, bool], Announcement]] = {}

    async def lock(self) -> None:
        """One test is one transaction."""

    async def of(self, patient_id: UUID) -> Number:
        return self.kept.get(patient_id, Number(patient_id=patient_id))

    async def around(self, numbers: Collection[UUID]) -> list[Number]:
        near = set(numbers)
        while more := {each for known in self.kept.values() for each in _all(known) if near & _all(known)} - near:
            near |= more
        return [known for known in self.kept.values() if known.patient_id in near]

    async def save(self, number: Number) -> None:
        self.kept[number.patient_id] = number

    async def into(self, survivor_id: UUID) -> list[Number]:
        return [known for known in self.kept.values() if any(each.into == survivor_id for each in known.merges)]

    async def keep_announcement(self, patient_id: UUID, announcement: Announcement) -> None:
        self.announced.setdefault(patient_id, {})[announcement.at, announcement.registers] = announcement

    async def announcements(self, patient_id: UUID) -> list[Announcement]:
        return [*self.announced.get(patient_id, {}).values()]

    async def following(self, patient_id: UUID) -> Following | None:
        return self.followings.get(patient_id)

    async def save_following(self, following: Following) -> None:
        self.followings[following.patient_id] = following


class MemoryLinks:
    def __init__(self, patients: MemoryPatients) -> None:
        self.patients = patients
        self.kept: dict[tuple[UUID, UUID], Link] = {}
        self.told: dict[UUID, UUID] = {}
        self.followings: dict[UUID, LinkFollowing] = {}

    async def lock(self) -> None:
        """One test is one transaction."""

    async def lock_numbers(self, numbers: Collection[Identifier]) -> None:
        """One test is one transaction."""

    async def of(self, one: UUID, other: UUID) -> Link | None:
        return self.kept.get((one, other))

    async def around(self, numbers: Collection[UUID]) -> list[Link]:
        near = set(numbers)
        linked = [set(link.pair) for link in self.kept.values() if link.linked]
        while more := {number for pair in linked if near & pair for number in pair} - near:
            near |= more
        return [link for link in self.kept.values() if near >= set(link.pair)]

    async def save(self, link: Link) -> None:
        self.kept[link.pair] = link

    async def persons(self, numbers: Collection[UUID]) -> Mapping[UUID, UUID]:
        return {number: self.told[number] for number in numbers if number in self.told}

    async def save_person(self, patient_id: UUID, enterprise_id: UUID | None) -> None:
        self.told.pop(patient_id, None)
        if enterprise_id is not None:
            self.told[patient_id] = enterprise_id

    async def sharers(self, patient: Patient) -> Sequence[Patient]:
        numbers = set(identifiers(patient))
        return [
            other
            for other in self.patients.kept.values()
            if other.patient_id != patient.patient_id and numbers & set(identifiers(other))
        ]

    async def following(self, patient_id: UUID) -> LinkFollowing | None:
        return self.followings.get(patient_id)

    async def save_following(self, following: LinkFollowing) -> None:
        self.followings[following.patient_id] = following


def persons(facts: Iterable[Fact]) -> dict[UUID, UUID]:
    """Whom each number stands for by the last fact of it, where that is not itself."""
    rows = {f.patient_id: f.enterprise_id for f in facts if isinstance(f, PatientLinked | PatientUnlinked)}
    return {number: enterprise_id for number, enterprise_id in rows.items() if number != enterprise_id}


def read(facts: Iterable[Fact]) -> dict[UUID, UUID]:
    """Whose each number is by the last fact of it, where that is somebody else."""
    return {number: owner for number, known in keep(facts).items() if (owner := known.get(None)) is not None}


def keep(facts: Iterable[Fact]) -> dict[UUID, dict[datetime | None, UUID]]:
    """Of each number all whose records are under it, each until when: what every other room keeps."""
    rows: dict[UUID, dict[datetime | None, UUID]] = {}
    for fact in facts:
        if isinstance(fact, PatientMerged | PatientUnmerged):
            rows[fact.patient_id] = {each.until: each.survivor_id for each in fact.earlier}
        if isinstance(fact, PatientMerged):
            rows[fact.patient_id][fact.until] = fact.survivor_id
    return rows


def survivor_of(rows: Mapping[UUID, Mapping[datetime | None, UUID]], number: UUID, recorded_at: datetime) -> UUID:
    """Whose a record is that names this number and was made then (libs/survivors)."""
    holders = rows.get(number, {})
    later = [until for until in holders if until is not None and recorded_at < until]
    return holders[min(later)] if later else holders.get(None, number)


def _all(known: Number) -> set[UUID]:
    return {known.patient_id, *(merge.into for merge in known.merges)}

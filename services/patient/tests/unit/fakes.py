"""Patients and merges in memory, and a reader of facts that keeps one row per number, as every other room does."""

from collections.abc import Collection, Iterable
from uuid import UUID

from fj_events import Fact, PatientMerged, PatientUnmerged
from patient_service.domain.following import Following
from patient_service.domain.merge import Merge
from patient_service.domain.patient import Patient


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
        self.kept: dict[UUID, Merge] = {}
        self.followings: dict[UUID, Following] = {}

    async def lock(self) -> None:
        """One test is one transaction."""

    async def of(self, patient_id: UUID) -> Merge | None:
        return self.kept.get(patient_id)

    async def around(self, numbers: Collection[UUID]) -> list[Merge]:
        near = set(numbers)
        while more := {each for merge in self.kept.values() for each in _both(merge) if near & _both(merge)} - near:
            near |= more
        return [merge for merge in self.kept.values() if merge.patient_id in near]

    async def save(self, merge: Merge) -> None:
        self.kept[merge.patient_id] = merge

    async def following(self, patient_id: UUID) -> Following | None:
        return self.followings.get(patient_id)

    async def save_following(self, following: Following) -> None:
        self.followings[following.patient_id] = following


def read(facts: Iterable[Fact]) -> dict[UUID, UUID]:
    """Whose each number is by the last fact of it."""
    rows: dict[UUID, UUID] = {}
    for fact in facts:
        if isinstance(fact, PatientMerged):
            rows[fact.patient_id] = fact.survivor_id
        elif isinstance(fact, PatientUnmerged) and fact.until is None:
            rows.pop(fact.patient_id, None)
    return rows


def _both(merge: Merge) -> set[UUID]:
    return {merge.patient_id, merge.into}

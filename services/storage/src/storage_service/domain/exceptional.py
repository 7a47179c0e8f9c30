"""What a person has to look at: the exceptions list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from fj_events import (
    ConflictingInstance,
    InstancesStored,
    StudyConflicted,
    StudyDamaged,
    StudyRelinked,
    StudyRemovalDelayed,
    StudyUnmatched,
)

from storage_service.domain.study import UNMERGED, Arrival, Conflict


class ExceptionKind(StrEnum):
    """Why something is on the list."""

    UID_CONFLICT = "uid_conflict"
    """Instances came again under known UIDs with other bytes. Both are kept."""
    DELAYED_REMOVAL = "delayed_removal"
    """A retired study should be gone, and something is waited for; until it goes or is recalled."""
    DAMAGED_STUDY = "damaged_study"
    """A pack is not what was stored. The study leaves the list when all its packs are well again."""
    UNCONFIRMED_STUDY = "unconfirmed_study"
    """A study that shows somebody else than its number is of, an order's or the patient's; until a person decides."""
    UNMATCHED_STUDY = "unmatched_study"
    """A complete study that no order fits, or one that lost its order; until it has one."""


@dataclass(frozen=True, slots=True)
class Exceptional:
    """An entry of the list as it is made; the same kind, study and subject are the same entry."""

    kind: ExceptionKind
    subject: str
    summary: str
    """In words, for a person, free of PHI."""


@dataclass(frozen=True, slots=True)
class ExceptionEntry:
    """An entry of the list as others see it."""

    kind: str
    since: datetime
    site: str
    study_instance_uid: str
    summary: str
    event_id: UUID
    """The fact that says more."""


def conflicts_of(facts: Sequence[InstancesStored], arrivals: Mapping[str, Arrival]) -> Iterator[StudyConflicted]:
    """For each fact that brought conflicting instances, what has to be told; each instance is told once."""
    waiting = {
        (uid, conflict.series_instance_uid, conflict.sop_instance_uid, conflict.sha256): conflict
        for uid, arrival in arrivals.items()
        for conflict in arrival.conflicts
    }
    for fact in facts if waiting else ():
        told = tuple(_told(fact, waiting))
        if told:
            yield StudyConflicted(
                site=fact.site,
                study_instance_uid=fact.study_instance_uid,
                series_instance_uid=fact.series_instance_uid,
                pack=fact.pack,
                source=fact.source,
                calling_ae_title=fact.calling_ae_title,
                received_at=fact.received_at,
                instances=told,
            )


def _told(fact: InstancesStored, waiting: dict[tuple[str, str, str, str], Conflict]) -> Iterator[ConflictingInstance]:
    for stored in fact.instances:
        key = (fact.study_instance_uid, fact.series_instance_uid, stored.sop_instance_uid, stored.sha256)
        conflict = waiting.pop(key, None)
        if conflict is not None:
            yield ConflictingInstance(
                sop_instance_uid=stored.sop_instance_uid,
                revision=conflict.revision,
                sha256=stored.sha256,
                current_sha256=conflict.current_sha256,
                offset=stored.offset,
                length=stored.length,
            )


def of_conflict(fact: StudyConflicted) -> Exceptional:
    """The entry for conflicting instances."""
    first = fact.instances[0]
    sender = fact.calling_ae_title or fact.source
    summary = f"{len(fact.instances)} instances of a series came again from {sender} with other bytes"
    return Exceptional(ExceptionKind.UID_CONFLICT, f"{first.sop_instance_uid} {first.revision}", summary)


def of_unmatched(fact: StudyUnmatched) -> Exceptional:
    """The entry for a study without an order. Why it has none quotes its numbers, and stands in the fact."""
    if fact.contradicted_by:
        what = " and ".join(criterion.replace("_", " ") for criterion in fact.contradicted_by)
        whom = "order of its number" if fact.unconfirmed_order_id else "patient of its number"
        return Exceptional(ExceptionKind.UNCONFIRMED_STUDY, "", f"it shows another {what} than the {whom}")
    return Exceptional(ExceptionKind.UNMATCHED_STUDY, "", "no order fits this complete study")


def of_unlinked(_fact: StudyRelinked) -> Exceptional:
    """The entry for a study that a person left without an order."""
    return Exceptional(ExceptionKind.UNMATCHED_STUDY, "", "a person took this study off its order")


def of_parted(_fact: StudyRelinked) -> Exceptional:
    """The entry for a study whose match rested on a merge that was undone."""
    return Exceptional(ExceptionKind.UNMATCHED_STUDY, "", UNMERGED)


def of_delay(fact: StudyRemovalDelayed) -> Exceptional:
    """The entry for a study that cannot be removed yet."""
    summary = f"it was to be removed after {fact.removal_at:%Y-%m-%d}: {fact.reason}"
    return Exceptional(ExceptionKind.DELAYED_REMOVAL, str(fact.retirement_id), summary)


def of_damage(fact: StudyDamaged) -> Exceptional:
    """The entry for a damaged pack."""
    summary = f"{fact.number_of_instances} instances are {fact.damage} in the object store"
    return Exceptional(ExceptionKind.DAMAGED_STUDY, fact.pack.key, summary)

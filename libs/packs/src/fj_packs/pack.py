"""A pack: what is in it, and the facts that tell of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from fj_events import (
    Identifier,
    InstancesStored,
    ObjectRef,
    PatientPhi,
    SeriesAttributes,
    Source,
    StoredInstance,
    StudyAttributes,
    patient_key,
)

_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH: Final = 64
INSTANCES_PER_FACT: Final = 800
"""An instance is at most 520 bytes of JSON, so that no fact comes near the 512 KiB of law 7."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends, and through which door."""

    source: Source
    site: str
    calling_ae_title: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The unique identifiers of one instance (PS3.3 C.7.2.1, C.7.3.1, C.12.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member lies in its segment, and therefore in the pack. Lengths and offsets in bytes."""

    series_instance_uid: str
    sop_instance_uid: str
    offset: int
    """Of the Part 10 file."""
    length: int
    """Of the Part 10 file."""
    data_offset: int
    """Of the data set inside the Part 10 file."""
    checksum: str
    """Of the data set as it was received, as the journal wrote it; hexadecimal."""
    received_at: datetime

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Member:
    """An instance in a segment."""

    place: Place
    sha256: str
    """Of the data set, hexadecimal."""
    identity: Identity
    number: int | None
    rows: int | None
    columns: int | None
    frames: int | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is told where a data set says nothing. The stored bytes stay as they are."""

    patient_id_issuer: str
    accession_issuer: str
    station_name: str | None = None


@dataclass(frozen=True, slots=True)
class SeriesHead:
    """What a data set says above the level of the instance."""

    patient: PatientPhi
    accession_number: Identifier | None
    study: StudyAttributes
    series: SeriesAttributes


@dataclass(frozen=True, slots=True)
class Contents:
    """A segment or pack, read."""

    study_instance_uid: str
    origin: Origin
    members: tuple[Member, ...]


def is_uid(value: str) -> bool:
    """Whether this is written as a UID is (PS3.5 9.1)."""
    return len(value) <= _UID_LENGTH and _is_uid(value)


@lru_cache(maxsize=4096)
def _is_uid(value: str) -> bool:
    # Those of class, study and series come with each instance.
    return _UID.fullmatch(value) is not None


def facts_of(
    pack: ObjectRef, origin: Origin, members: Sequence[Member], heads: Mapping[str, SeriesHead], namespace: UUID
) -> Iterator[InstancesStored]:
    """One fact per series, more where a series has very many instances. `heads` has one for each series."""
    by_series: dict[str, list[Member]] = {}
    for member in members:
        by_series.setdefault(member.identity.series_instance_uid, []).append(member)
    for series_uid, instances in by_series.items():
        for start in range(0, len(instances), INSTANCES_PER_FACT):
            yield _fact(pack, origin, instances[start : start + INSTANCES_PER_FACT], heads[series_uid], namespace)


def _fact(
    pack: ObjectRef, origin: Origin, members: Sequence[Member], head: SeriesHead, namespace: UUID
) -> InstancesStored:
    number = head.patient.id
    return InstancesStored(
        site=origin.site,
        actor=origin.actor,
        study_instance_uid=members[0].identity.study_instance_uid,
        series_instance_uid=members[0].identity.series_instance_uid,
        pack=pack,
        source=origin.source,
        calling_ae_title=origin.calling_ae_title,
        received_at=max(member.place.received_at for member in members),
        accession_number=head.accession_number,
        patient_id=None if number is None else patient_key(namespace, number.issuer, number.value),
        patient=head.patient,
        study=head.study,
        series=head.series,
        instances=tuple(_instance(member) for member in members),
    )


def _instance(member: Member) -> StoredInstance:
    place, identity = member.place, member.identity
    return StoredInstance(
        sop_instance_uid=identity.sop_instance_uid,
        sop_class_uid=identity.sop_class_uid,
        transfer_syntax_uid=identity.transfer_syntax_uid,
        number=member.number,
        rows=member.rows,
        columns=member.columns,
        frames=member.frames,
        offset=place.offset,
        length=place.length,
        data_offset=place.data_offset,
        sha256=member.sha256,
    )

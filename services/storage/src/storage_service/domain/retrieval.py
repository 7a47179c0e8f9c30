"""Where an instance lies, and how to read many with few requests."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from storage_service.domain.coercion import Coercion

GAP: Final = 64 * 1024
"""Bytes between two neighbours that are cheaper to read than to skip: a tar header and its padding are far less."""
Octets: TypeAlias = bytes | memoryview
"""Bytes that are passed on; a view spares their copying."""
READ: Final = 8 * 1024 * 1024
"""Bytes of one read, unless a single instance is longer."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A current instance and where its Part 10 file lies."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    bucket: str
    pack: str
    """Key of the object."""
    offset: int
    """Of the file inside the pack, bytes."""
    length: int
    """Of the file, bytes."""
    data_offset: int
    """Of the data set inside the file, bytes."""
    coercion: Coercion | None = None
    """What it says instead of what is stored; it is as long as that only without one."""

    @property
    def data_length(self) -> int:
        """Of the data set, bytes."""
        return self.length - self.data_offset

    @property
    def end(self) -> int:
        """First byte behind the file, inside the pack."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Selection:
    """Instances by the unique keys of the query/retrieve models (PS3.4 C.6); what is empty excludes nothing."""

    patient_numbers: tuple[str, ...] = ()
    study_instance_uids: tuple[str, ...] = ()
    series_instance_uids: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """A series, and the object that describes all its instances."""

    series_key: int
    number_of_instances: int
    metadata_key: str | None
    metadata_instances: int | None
    coercion: Coercion | None = None
    """What its instances say instead."""

    @property
    def described(self) -> str | None:
        """The key of its metadata, while that is up to date."""
        return self.metadata_key if self.metadata_instances == self.number_of_instances else None


def in_storage_order(instances: Sequence[Stored]) -> list[Stored]:
    """As they lie in the packs: reading them so is fastest."""
    return sorted(instances, key=lambda stored: (stored.bucket, stored.pack, stored.offset))


def reads(instances: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Neighbours that one read takes together; `instances` in storage order."""
    group: list[Stored] = []
    for stored in instances:
        if group and not _joins(group, stored):
            yield group
            group = []
        group.append(stored)
    if group:
        yield group


def _joins(group: Sequence[Stored], stored: Stored) -> bool:
    first, last = group[0], group[-1]
    return (
        (stored.bucket, stored.pack) == (last.bucket, last.pack)
        and stored.offset - last.end <= GAP
        and stored.end - first.offset <= READ
    )


@dataclass(frozen=True, slots=True)
class FrameSet:
    """Frames of one instance, as they are stored."""

    encapsulated: bool
    sizes: tuple[int, ...]
    """Bytes of each."""
    data: AsyncGenerator[Octets, None]
    """Frame by frame, each whole."""

"""Two instances under one SOP Instance UID, side by side: where they come from, and in what they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from storage_service.domain.agreement import Agreement

ALWAYS: Final = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "Modality",
    "StationName",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "InstitutionName",
    "SeriesDescription",
    "InstanceNumber",
    "ContentDate",
    "ContentTime",
)
"""Shown where one of the two has them, whether they differ or not: whose it is, and what made it."""
MOST: Final = 100
"""Attributes that differ and are shown; of the others only how many there are."""
LONGEST: Final = 200
"""Characters of a value that are shown."""


class Said(NamedTuple):
    """An attribute as one data set has it."""

    name: str
    """For people (PS3.6); of private ones the tag."""
    value: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One of the two, and where it comes from."""

    revision: int
    """0 is current: it came first, and is what is shown."""
    calling_ae_title: str | None
    source: str | None
    received_at: datetime | None
    """As sender, way and time stand in its pack; absent where that cannot be read."""
    size: int
    """Of the data set, bytes."""
    sha256: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of both."""

    keyword: str
    """Its place in the data set: `PatientID`, `RequestAttributesSequence[1].ScheduledProcedureStepID`."""
    name: str
    agreement: Agreement
    first: str
    other: str


@dataclass(frozen=True, slots=True)
class Beside:
    """An instance that came under a known UID, beside the one that is current."""

    series_instance_uid: str
    sop_instance_uid: str
    instance_number: int | None
    first: Kept
    other: Kept
    attributes: tuple[Attribute, ...] = ()
    left_out: int = 0
    """Attributes that differ as well."""
    pixels: Agreement = Agreement.UNKNOWN
    """Of the bytes of the pixel data; unknown where there are none, or they are written in another way or too long."""
    unreadable: str | None = None
    """Why the data sets are not compared."""


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The conflicting instances of a study: a page of them, and how many there are."""

    total: int
    instances: tuple[Beside, ...]


def attributes(first: Mapping[str, Said], other: Mapping[str, Said]) -> tuple[Sequence[Attribute], int]:
    """Those that are always shown, then those that differ; and how many more differ. Both by place in the data set."""
    places = dict.fromkeys((*first, *other))
    known = [_attribute(place, first, other) for place in ALWAYS if place in places]
    differing = [
        each
        for place in sorted(places)
        if place not in ALWAYS and (each := _attribute(place, first, other)).agreement is not Agreement.AGREES
    ]
    return [*known, *differing[:MOST]], max(0, len(differing) - MOST)


def _attribute(place: str, first: Mapping[str, Said], other: Mapping[str, Said]) -> Attribute:
    said = first.get(place), other.get(place)
    left, right = (one.value if one else "" for one in said)
    name = next(one.name for one in said if one)
    agreement = Agreement.AGREES if left == right else Agreement.DIFFERS
    return Attribute(place, name, agreement, _shown(left), _shown(right))


def _shown(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"

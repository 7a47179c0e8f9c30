"""What can be asked of the index, in the terms of PS3.18 section 10.6 and PS3.4 annex C."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from typing import Any, Final, TypeAlias


class Level(IntEnum):
    """Of the query/retrieve information model, from the top."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    INSTANCE = 3

    @property
    def noun(self) -> str:
        """As it is called in a sentence."""
        return self.name.lower()


class By(StrEnum):
    """How the values of an attribute are matched (PS3.4 C.2.2.2)."""

    UID = "uid"
    """List of UIDs."""
    EXACT = "exact"
    """Single value, wildcards; case matters."""
    WORDS = "words"
    """Single value, wildcards; case does not matter (descriptions)."""
    NAME = "name"
    """The same, and fuzzy semantic matching where it is asked for (PN)."""
    CODES = "codes"
    """One of several codes."""
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    CODE = "code"
    """One of several codes, or of coding schemes, in an item of a sequence of codes (PS3.3 section 8)."""
    MEANING = "meaning"
    """Single value, in the same item as the code and its scheme."""
    NOTHING = "nothing"
    """Returned, never matched."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that the index holds."""

    keyword: str
    """Behind that of the sequence that it stands in, with a full stop, as QIDO-RS has it (PS3.18 section 8.3.4.1)."""
    tag: str
    vr: str
    level: Level
    by: By
    always: bool = True
    """Returned without being asked for."""

    @property
    def within(self) -> str | None:
        """Keyword of the sequence that it stands in."""
        return self.keyword.rpartition(".")[0] or None


_P, _S, _E, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE
REQUEST: Final = "RequestAttributesSequence"
PERFORMED: Final = "ProcedureCodeSequence"
REQUESTED: Final = "RequestedProcedureCodeSequence"


def _codes(sequence: str) -> tuple[Attribute, ...]:
    """What is known of the items of a sequence of codes."""
    return (
        Attribute(f"{sequence}.CodeValue", "00080100", "SH", Level.STUDY, By.CODE, always=False),
        Attribute(f"{sequence}.CodingSchemeDesignator", "00080102", "SH", Level.STUDY, By.CODE, always=False),
        Attribute(f"{sequence}.CodeMeaning", "00080104", "LO", Level.STUDY, By.MEANING, always=False),
    )


ATTRIBUTES: Final[Mapping[str, Attribute]] = {
    attribute.keyword: attribute
    for attribute in (
        Attribute("StudyDate", "00080020", "DA", _S, By.DATE),
        Attribute("StudyTime", "00080030", "TM", _S, By.TIME),
        Attribute("AccessionNumber", "00080050", "SH", _S, By.EXACT),
        Attribute("ModalitiesInStudy", "00080061", "CS", _S, By.CODES),
        Attribute("SOPClassesInStudy", "00080062", "UI", _S, By.UID, always=False),
        Attribute("ReferringPhysicianName", "00080090", "PN", _S, By.NAME),
        Attribute("StudyDescription", "00081030", "LO", _S, By.WORDS),
        *_codes(PERFORMED),
        Attribute("PatientName", "00100010", "PN", _P, By.NAME),
        Attribute("PatientID", "00100020", "LO", _P, By.EXACT),
        Attribute("IssuerOfPatientID", "00100021", "LO", _P, By.EXACT, always=False),
        Attribute("PatientBirthDate", "00100030", "DA", _P, By.DATE),
        Attribute("PatientSex", "00100040", "CS", _P, By.CODES),
        Attribute("NumberOfPatientRelatedStudies", "00201200", "IS", _P, By.NOTHING, always=False),
        Attribute("NumberOfPatientRelatedSeries", "00201202", "IS", _P, By.NOTHING, always=False),
        Attribute("NumberOfPatientRelatedInstances", "00201204", "IS", _P, By.NOTHING, always=False),
        Attribute("StudyInstanceUID", "0020000D", "UI", _S, By.UID),
        *_codes(REQUESTED),
        Attribute("StudyComments", "00324000", "LT", _S, By.NOTHING),
        Attribute("StudyID", "00200010", "SH", _S, By.EXACT),
        Attribute("NumberOfStudyRelatedSeries", "00201206", "IS", _S, By.NOTHING),
        Attribute("NumberOfStudyRelatedInstances", "00201208", "IS", _S, By.NOTHING),
        Attribute("Modality", "00080060", "CS", _E, By.CODES),
        Attribute("StationName", "00081010", "SH", _E, By.EXACT, always=False),
        Attribute("SeriesDescription", "0008103E", "LO", _E, By.WORDS),
        Attribute("BodyPartExamined", "00180015", "CS", _E, By.CODES, always=False),
        Attribute("ProtocolName", "00181030", "LO", _E, By.WORDS, always=False),
        Attribute("SeriesInstanceUID", "0020000E", "UI", _E, By.UID),
        Attribute("SeriesNumber", "00200011", "IS", _E, By.NUMBER),
        Attribute("Laterality", "00200060", "CS", _E, By.CODES, always=False),
        Attribute("NumberOfSeriesRelatedInstances", "00201209", "IS", _E, By.NOTHING),
        Attribute("PerformedProcedureStepStartDate", "00400244", "DA", _E, By.DATE),
        Attribute("PerformedProcedureStepStartTime", "00400245", "TM", _E, By.TIME),
        Attribute(f"{REQUEST}.ScheduledProcedureStepID", "00400009", "SH", _E, By.EXACT),
        Attribute(f"{REQUEST}.RequestedProcedureID", "00401001", "SH", _E, By.EXACT),
        Attribute("SOPClassUID", "00080016", "UI", _I, By.UID),
        Attribute("SOPInstanceUID", "00080018", "UI", _I, By.UID),
        Attribute("InstanceNumber", "00200013", "IS", _I, By.NUMBER),
        Attribute("NumberOfFrames", "00280008", "IS", _I, By.NOTHING),
        Attribute("Rows", "00280010", "US", _I, By.NOTHING),
        Attribute("Columns", "00280011", "US", _I, By.NOTHING),
        Attribute("AvailableTransferSyntaxUID", "00083002", "UI", _I, By.UID, always=False),
    )
}

MOMENTS: Final[Mapping[str, str]] = {
    "StudyDate": "StudyTime",
    "PerformedProcedureStepStartDate": "PerformedProcedureStepStartTime",
}
"""Dates, and the times that belong to them."""
SEQUENCES: Final[Mapping[str, str]] = {PERFORMED: "00081032", REQUESTED: "00321064", REQUEST: "00400275"}
"""Tags of the sequences that attributes stand in."""


def items(row: Mapping[str, Any], keywords: Sequence[str]) -> list[dict[str, Any]]:
    """The items of a sequence in a result, each with the attributes of these keywords that it has.

    Of a sequence with several items, each attribute is a list.
    """
    values = [row.get(keyword) for keyword in keywords]
    if not any(isinstance(value, list) for value in values):
        values = [[value] for value in values]
    columns = [value for value in values if isinstance(value, list)]
    found = [dict(zip(keywords, item, strict=True)) for item in zip(*columns, strict=True)]
    return [item for item in found if any(value is not None for value in item.values())]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The attribute has one of these values."""

    attribute: Attribute
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """The attribute fits one of these patterns, `*` being any text and `?` any character."""

    attribute: Attribute
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dates:
    """The attribute lies between two dates, both included."""

    attribute: Attribute
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class Times:
    """The attribute lies between two times (TM, possibly without minutes or seconds), both included."""

    attribute: Attribute
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class Moments:
    """A date and its time lie between two moments (combined date-time matching, PS3.4 C.2.2.2.5)."""

    dates: Dates
    times: Times

    @property
    def attribute(self) -> Attribute:
        """The date."""
        return self.dates.attribute


@dataclass(frozen=True, slots=True)
class Alike:
    """Each word begins a word of the name, accents and case left aside (fuzzy semantic matching, PS3.4 C.2.2.2.1.3)."""

    attribute: Attribute
    name: str


Condition: TypeAlias = AnyOf | Like | Dates | Times | Moments | Alike


def combined(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The same conditions, a date and its time as one where both are asked for."""
    times = {one.attribute.keyword: one for one in conditions if isinstance(one, Times)}
    moments: list[Condition] = []
    alone = list(conditions)
    for dates in conditions:
        if isinstance(dates, Dates) and (time := times.get(MOMENTS.get(dates.attribute.keyword, ""))):
            alone = [one for one in alone if one not in {dates, time}]
            moments.append(Moments(dates, time))
    return (*alone, *moments)


@dataclass(frozen=True, slots=True)
class Search:
    """A search of one level."""

    level: Level
    conditions: tuple[Condition, ...]
    fields: tuple[Attribute, ...]
    """What is returned."""
    limit: int
    offset: int
    confirmed_only: bool = False
    """Without studies of which it is in doubt whose they are."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found."""

    rows: tuple[Mapping[str, object], ...]
    """Values by keyword."""
    more: bool
    """There are more than the limit let through."""

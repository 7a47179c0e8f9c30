"""The query/retrieve information models: their SOP classes, levels and unique keys (PS3.4 section C.3, C.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fj_dicom import Find, Refused, Status
from pydicom import Dataset
from pydicom.multival import MultiValue

from storage_service.domain.search import Level

QUERY_RETRIEVE_LEVEL: Final = 0x00080052
LEVELS: Final[Mapping[str, Level]] = {
    "PATIENT": Level.PATIENT,
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
"""Query/Retrieve Level (0008,0052)."""
UNIQUE: Final[Mapping[Level, tuple[int, str]]] = {
    Level.PATIENT: (0x00100020, "PatientID"),
    Level.STUDY: (0x0020000D, "StudyInstanceUID"),
    Level.SERIES: (0x0020000E, "SeriesInstanceUID"),
    Level.INSTANCE: (0x00080018, "SOPInstanceUID"),
}
"""Tag and keyword of the unique key of each level."""


@dataclass(frozen=True, slots=True)
class Model:
    """An information model."""

    find: str
    move: str
    get: str
    levels: tuple[Level, ...]
    """From its root downwards."""

    @classmethod
    def numbered(cls, number: int, *levels: Level) -> "Model":
        """By the last component but one of its SOP class UIDs (PS3.4 table C.6.1-1 and its neighbours)."""
        find, move, get = (f"1.2.840.10008.5.1.4.1.2.{number}.{service}" for service in (1, 2, 3))
        return cls(find, move, get, levels)


PATIENT_ROOT: Final = Model.numbered(1, *Level)
STUDY_ROOT: Final = Model.numbered(2, Level.STUDY, Level.SERIES, Level.INSTANCE)
PATIENT_STUDY_ONLY: Final = Model.numbered(3, Level.PATIENT, Level.STUDY)
"""Retired in 2004, and still asked for."""
MODELS: Final = (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)


def level_of(identifier: Dataset, model: Model) -> Level:
    """What the identifier asks for. Raises Refused."""
    level = LEVELS.get(value_of(identifier, QUERY_RETRIEVE_LEVEL))
    if level not in model.levels:
        levels = ", ".join(name for name, one in LEVELS.items() if one in model.levels)
        raise mismatch(f"Query/Retrieve Level must be one of {levels}", QUERY_RETRIEVE_LEVEL)
    return level


def above(level: Level, model: Model) -> Sequence[Level]:
    """The levels of the model over this one."""
    return [one for one in model.levels if one < level]


def value_of(identifier: Dataset, tag: int) -> str:
    """A value as text, several divided by backslashes; empty where there is none."""
    value = identifier[tag].value if tag in identifier else None
    if isinstance(value, MultiValue):
        return "\\".join(str(each).strip() for each in value)
    return str(value if value is not None else "").strip("\0 ")


def mismatch(comment: str, *tags: int) -> Refused:
    """The identifier does not fit the SOP class (A900H)."""
    return Refused(Status(Find.IDENTIFIER_MISMATCH, comment, offending=tags))

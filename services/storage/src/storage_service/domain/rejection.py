"""What is not to be used, and why (IHE RAD TF, Imaging Object Change Management, RAD-66)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from fj_events import CodedConcept, InstancesStored, SeriesSummary

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
SCHEME: Final = "DCM"
"""Coding scheme of the codes."""


class Code(StrEnum):
    """Titles of rejection notes (PS3.16 CID 7011)."""

    QUALITY = "113001"
    SAFETY = "113037"
    WORKLIST = "113038"
    RETENTION = "113039"

    @property
    def concept(self) -> CodedConcept:
        """As events carry it."""
        return CodedConcept(code=self.value, text=MEANINGS[self], system=SCHEME)


MEANINGS: Final[Mapping[Code, str]] = {
    Code.QUALITY: "Rejected for Quality Reasons",
    Code.SAFETY: "Rejected for Patient Safety Reasons",
    Code.WORKLIST: "Incorrect Modality Worklist Entry",
    Code.RETENTION: "Data Retention Policy Expired",
}
UNREADABLE: Final = "unreadable"
"""What is kept of a document that nobody could read."""
GIVEN_BY_NAME: Final = frozenset({Code.QUALITY})
"""Who names such an instance by its own UID still gets it; and the note that rejects it is shown."""


@dataclass(frozen=True, slots=True, order=True)
class Named:
    """What a rejection names; empty: every series, every instance."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uid: str = ""


Rejected: TypeAlias = tuple[str, str, str]
"""Study, series, instance that a rejection names; empty as in `Named`."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the rejections of some studies hide: the one rule that all who look at instances share."""

    rejected: frozenset[Rejected] = frozenset()
    rejected_for_all: frozenset[Rejected] = frozenset()
    """Also from who names an instance by its own UID."""

    @classmethod
    def by(cls, rejections: Iterable[tuple[Rejected, str]]) -> "Hidden":
        """By these, each with its code."""
        told = list(rejections)
        return cls(
            frozenset(rejected for rejected, _ in told),
            frozenset(rejected for rejected, code in told if code not in GIVEN_BY_NAME),
        )

    def hides(self, study: str, series: str, instance: str, *, by_name: bool = False) -> bool:
        """Whether an instance is hidden; from who names it by its own UID fewer are."""
        rejected = self.rejected_for_all if by_name else self.rejected
        return bool(rejected) and not rejected.isdisjoint(
            ((study, "", ""), (study, series, ""), (study, series, instance), (study, "", instance))
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """What is rejected, and by what right."""

    rejection_id: str
    code: Code
    named: tuple[Named, ...]
    site: str
    reason: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A Key Object Selection document that nobody has read yet."""

    place: Named
    site: str

    def says(self, code: Code, named: tuple[Named, ...]) -> Rejection:
        """The rejection, where it is one. It hides itself too, unless what it rejects may still be had."""
        own = () if code in GIVEN_BY_NAME else (self.place,)
        return Rejection(self.place.sop_instance_uid, code, (*named, *own), self.site)


@dataclass(frozen=True, slots=True)
class NoteOverview:
    """Such a document as operators see it."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    site: str
    outcome: str | None
    """Its code, `other` for no rejection, `unreadable`, `dismissed`; absent while it is to be read."""
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """How many instances of a study are shown, before and after."""

    study_instance_uid: str
    site: str | None
    before: int
    after: int
    series: tuple[SeriesSummary, ...] = ()
    """Those of which something is shown after."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A rejection as others see it."""

    rejection_id: str
    code: str
    reason: str | None
    actor: str | None
    rejected_at: datetime
    series: tuple[str, ...]
    """That are rejected as a whole."""
    instances: tuple[str, ...]
    whole_study: bool


def notes_of(facts: Iterable[InstancesStored]) -> list[Note]:
    """The documents among new instances that may be rejection notes."""
    return [
        Note(Named(fact.study_instance_uid, fact.series_instance_uid, stored.sop_instance_uid), fact.site)
        for fact in facts
        for stored in fact.instances
        if stored.sop_class_uid == KEY_OBJECT_SELECTION
    ]

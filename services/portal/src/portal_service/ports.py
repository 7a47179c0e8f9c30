"""What the handlers and the doors need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from fj_events import Identifier, PatientDuplicateSuspected, PatientPhi

from portal_service.domain.exam import Exam
from portal_service.domain.exceptions import Act, Dismissal, Raised
from portal_service.domain.refs import Refs
from portal_service.domain.timeline import Entry


class Exams(Protocol):
    """The pictures of the exams, inside one transaction."""

    async def open(self, refs: Refs, site: str) -> Exam:
        """The exam that goes by these names, locked; what was two exams until now is one from here on."""

    async def move_study(self, study_instance_uid: str, exam_id: str, site: str) -> tuple[Exam | None, Exam]:
        """Let a study's name stand for another exam; the one that has the study until now, and that other one.

        None where no exam is left without it: none had it, or that one, or one that was nothing but this study.
        """

    async def keep(self, exam: Exam) -> None:
        """Keep the picture."""

    async def enter(self, exam_id: str, entry: Entry) -> None:
        """Put a fact on the exam's timeline."""

    async def raise_exception(self, raised: Raised) -> None:
        """Put what a person has to look at on the list."""

    async def raise_once(self, raised: Raised) -> None:
        """Put it there unless one of its kind and key is there."""

    async def with_accession(self, number: Identifier, patient_id: UUID | None) -> Mapping[str, UUID]:
        """The exams whose orders have this number and are not cancelled, and whose they are after merges.

        Whoever asks for one number takes turns, and takes turns with merges of this patient.
        """

    async def ordered_for(self, patient_id: UUID) -> Mapping[str, Identifier]:
        """The exams with orders for this number of a patient, and their accession numbers."""

    async def end_exception(self, kind: str, key: str) -> None:
        """Take it off the list."""

    async def images_left(self, order_id: str, at: datetime) -> None:
        """Images of an order's exam went elsewhere: a wrong worklist entry of it that is older has been dealt with."""

    async def have_images_left(self, order_id: str, since: datetime) -> bool:
        """Whether that was so at or after this moment. The caller has the exam open."""

    async def patient_is(self, patient_id: UUID, patient: PatientPhi) -> None:
        """Note who a patient is now."""

    async def patient_moved(self, patient_id: UUID) -> None:
        """Note that the answers for exams under this number have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody looks for; None matches all."""

    accession: str | None = None
    patient_id: str | None = None
    linked: bool = False
    """Under all numbers of the person whom `patient_id` stands for."""
    placer_order_number: str | None = None
    study_instance_uid: str | None = None
    text: str | None = None
    """Part of a name, a number, a procedure."""
    state: str | None = None
    modality: str | None = None
    site: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Which part of the exceptions list somebody looks at; None matches all."""

    kind: str | None = None
    site: str | None = None
    dismissed: bool = False
    """What somebody has looked at already, instead of what waits."""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One exam as it is shown."""

    exam: Exam
    patient: PatientPhi
    """Who the patient is now."""
    changed_at: datetime
    timeline: Sequence[Entry]


class ExamBook(Protocol):
    """Looking exams up, outside of any transaction."""

    async def find(self, wanted: Wanted) -> list[Found]:
        """The exams that fit, the last changed first."""

    async def read(self, exam_id: str) -> Found | None:
        """One exam, by any of its names."""

    async def exceptions(self, wanted: Listed) -> tuple[list[Raised], int]:
        """What a person has to look at, the newest first; and how many there are of what is wanted."""

    async def exception(self, event_id: UUID) -> Raised | None:
        """One entry of the list, while it is there."""

    async def exceptions_open(self) -> list[tuple[str, datetime]]:
        """Kind and beginning of every entry."""

    async def sites_of_exceptions(self) -> list[str]:
        """The sites that have entries."""

    async def changed_since(self, moment: datetime | None) -> tuple[datetime, list[str]]:
        """The ids of exams changed after `moment`, and the newest moment; with None only the latter."""


class Pair(NamedTuple):
    """Two patients that may be one person, as the fact has them side by side."""

    fact: PatientDuplicateSuspected
    since: datetime


class Pairs(Protocol):
    """Pairs that wait for a person, inside one transaction."""

    async def suspect(self, pair: Pair) -> None:
        """Put the pair on the list, or change what it says there."""

    async def end(self, patient_id: UUID, other_id: UUID) -> None:
        """Take it off."""


class PairBook(Protocol):
    """Looking pairs up, outside of any transaction."""

    async def waiting(self, limit: int) -> list[Pair]:
        """The likeliest first."""

    async def count(self) -> int:
        """How many wait."""


class Acts(Protocol):
    """What persons did about the exceptions list, inside one transaction."""

    async def enter(self, act: Act) -> None:
        """Keep what somebody did."""

    async def dismiss(self, dismissal: Dismissal, kind: str, about: tuple[str, ...]) -> None:
        """An entry of this kind waits for nobody, be it on the list already or not."""

    async def restore(self, exception_id: UUID) -> None:
        """It does again."""


class ActBook(Protocol):
    """Looking up what persons did, outside of any transaction."""

    async def newest(self, limit: int) -> list[Act]:
        """The newest first."""

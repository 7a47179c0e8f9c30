"""What the handlers need."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from fj_events import Fact, Identifier, ObjectRef, PatientPhi, PatientVisitUpdated, Uid

from scheduling_service.domain.appointed import Appointed, WantedAppointments
from scheduling_service.domain.exam import Exam, Wanted, WantedSteps
from scheduling_service.domain.forward import Forward, Report, Result, Verdict
from scheduling_service.domain.news import News
from scheduling_service.domain.performed import PerformedStep
from scheduling_service.domain.slots import Block, Span
from scheduling_service.domain.step import Step
from scheduling_service.domain.study import Study
from scheduling_service.domain.unordered import Noted
from scheduling_service.domain.visit import Visit
from scheduling_service.domain.waiting import Freed
from scheduling_service.domain.worklist import Item, Query


class Surroundings(NamedTuple):
    """What is known around an ordered exam."""

    studies: list[Study]
    """Those that belong to its order, by UID."""
    loose_ends: list[PerformedStep]
    """Performed steps without an ordered exam that share a Study UID, an accession number or a step id with it."""
    patient_ids: frozenset[UUID] = frozenset()
    """By which a modality may name its patient."""
    lost: frozenset[Uid] = frozenset()
    """Studies in which something was performed for it, and that are not its order's, as a person said."""


class Schedule(Protocol):
    """Exams and what belongs to them, inside one transaction. What is read to be changed is locked until its end."""

    async def lock(self, *names: str) -> None:
        """Wait until nobody else has one of these names in hand, and hold them until the end."""

    async def exam(self, key: str) -> Exam | None:
        """The exam with this key, with its steps and all that was performed for it."""

    async def exams_like(self, performed: PerformedStep) -> list[Exam]:
        """Ordered exams that share a Study UID, an accession number or a step id with a performed step."""

    async def open_exams_of(self, patient_id: UUID) -> list[Exam]:
        """The patient's exams that are on the worklist."""

    async def save(self, exam: Exam) -> None:
        """Keep an exam, and show its open steps on the worklist, under the patient's current name."""

    async def exams_named(self, news: News) -> list[Exam]:
        """Ordered exams that have one of the numbers that the news name, of whatever issuer."""

    async def is_news(self, exam_key: str, said_at: datetime | None) -> bool:
        """Remember what was said of an appointment as the newest; False where something newer was said before."""

    async def await_order(self, news: News) -> None:
        """Keep news of an appointment until its order is here; newer ones take the place of older ones."""

    async def awaiting(self, names: tuple[str, ...]) -> News | None:
        """The news that waited for the order with these names; they wait no longer."""

    async def noted(self, names: tuple[str, ...]) -> Noted | None:
        """What is known of the appointment that a scheduling system calls by one of these names."""

    async def noted_as(self, appointment_id: int) -> Noted | None:
        """The same by our own number."""

    async def note(self, news: News, before: Noted | None, *, is_open: bool) -> Noted:
        """Keep what was said last of an appointment, in the place of what was known before."""

    async def book(self, exam: Exam) -> bool:
        """Keep an exam with its appointments. False, and nothing kept, when a slot is taken, be it at this instant."""

    async def booked_at(self, station: Block) -> list[Exam]:
        """The exams that have an appointment in the time, and at the station, of a block to be."""

    async def hold_stations(self, site: str, ae_titles: Collection[str], within: Span) -> Mapping[str, list[Span]]:
        """When these stations are booked or blocked; nobody else gives their times away until the end."""

    async def block(self, block: Block) -> bool:
        """Keep a station from being booked. False, and nothing kept, when it is booked or blocked already."""

    async def unblock(self, block_id: UUID) -> bool:
        """Let a station be booked again. False when there is no such block."""

    async def performed(self, sop_instance_uid: Uid) -> PerformedStep | None:
        """The performed step with this SOP Instance UID."""

    async def exams_of(self, performed: PerformedStep) -> list[Exam]:
        """The exams that a performed step belongs to."""

    async def performed_in(self, study_instance_uid: Uid) -> list[Exam]:
        """The ordered exams for which modalities say that they have performed something in this study."""

    async def surroundings(self, exam: Exam) -> Surroundings:
        """What is here already of what belongs, or may belong, to an ordered exam."""

    async def add_performed(self, performed: PerformedStep) -> bool:
        """Keep a new performed step. False, and nothing kept, when its UID is taken, be it at this instant."""

    async def save_performed(self, performed: PerformedStep) -> None:
        """Keep a changed performed step."""

    async def study(self, study_instance_uid: Uid) -> Study:
        """What is known about a study."""

    async def save_study(self, study: Study) -> None:
        """Keep what is known about a study."""

    async def save_patient(self, patient_id: UUID, patient: PatientPhi) -> None:
        """Keep who a patient is."""

    async def hold_patients(self, *patient_ids: UUID) -> None:
        """Wait until nobody else plans for these patients or learns who they are, and keep them until the end."""

    async def save_visit(self, number: Identifier, fact: PatientVisitUpdated) -> None:
        """Keep where patients are and how far the visit with this number is, for each of them."""

    async def open_exams_under(self, patient_id: UUID) -> list[Exam]:
        """The exams with open steps whose orders name this patient, whoever that is by now."""

    async def open_steps(self, site: str, ae_titles: Collection[str], day: datetime) -> Mapping[str, int]:
        """How many steps wait at these stations on this day, by AE title."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""


class Rooms(Protocol):
    """What stations are taken for, read outside of any transaction."""

    async def taken(self, site: str, ae_titles: Collection[str], within: Span) -> Mapping[str, list[Span]]:
        """When these stations are booked or blocked, by AE title."""

    async def blocks(self, site: str | None, ae_title: str | None, within: Span) -> list[Block]:
        """When stations are blocked, by start."""


class WaitingList(Protocol):
    """The exams that wait for a slot, read outside of any transaction."""

    async def find(self, site: str | None, limit: int, offset: int = 0) -> list[Exam]:
        """The most urgent first, then who has waited longest."""

    async def freed(self) -> list[Freed]:
        """Where times became free since that was last looked at."""

    async def looked_at(self, freed: Sequence[Freed]) -> None:
        """Forget these."""


class Appointments(Protocol):
    """Exams as appointments, read outside of any transaction."""

    async def read(self, order_id: UUID) -> Appointed | None:
        """The appointment of an order's exam."""

    async def find(self, wanted: WantedAppointments) -> list[Appointed]:
        """Those that fit, by start or by change."""

    async def count(self, wanted: WantedAppointments) -> int:
        """How many fit."""


class InstanceLists(Protocol):
    """Lists of instances that are too long for an event."""

    async def put(self, lists: Mapping[str, Sequence[str]]) -> ObjectRef:
        """Keep a list for ever; the same list has the same address."""


class Worklist(Protocol):
    """The open steps, read outside of any transaction."""

    async def find(self, query: Query, limit: int) -> Collection[Item]:
        """At most `limit` matches: the most urgent first, then by start. Each is read when its turn comes."""


class ExamBook(Protocol):
    """Looking exams up, outside of any transaction."""

    async def read(self, key: str) -> Exam | None:
        """One exam."""

    async def find(self, wanted: Wanted, limit: int) -> list[Exam]:
        """The newest exams that fit."""

    async def at_station(self, site: str, ae_titles: Collection[str], within: Span) -> list[Exam]:
        """The exams with a step under one of these titles that starts in this time."""

    async def visits_of(self, exam_keys: Collection[str]) -> Mapping[str, Visit]:
        """The visits on which these exams are ordered, of those of which the registration system spoke."""

    async def find_steps(self, wanted: WantedSteps, limit: int) -> list[tuple[str, Step]]:
        """Steps that fit with the keys of their exams, by start."""


class Forwards(Protocol):
    """What is to be passed on, inside the transaction of the message itself."""

    async def keep(self, destination: str, report: Report) -> None: ...


class ForwardsBook(Protocol):
    """The same, for whoever sends it."""

    async def claim(self, destination: str, now: datetime) -> Forward | None:
        """The next message that is due, for a few minutes; of one performed step always the oldest that waits."""

    async def ended(self, forward: Forward, result: Result, verdict: Verdict) -> None:
        """Keep how an attempt ended; what an operator stopped meanwhile stays so."""

    async def hold_back(self, destination: str, until: datetime) -> None:
        """The destination is away: nothing is due there before."""

    async def give_up(self, served: Collection[str], before: datetime) -> None:
        """Give up what waits for destinations that are not served, since before a time."""


class Receivers(Protocol):
    """The way to the destinations."""

    async def send(self, forward: Forward) -> Result: ...

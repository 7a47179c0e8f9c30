"""`/api/scheduling`: the agenda of a station, by which pages show weeks and days."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Self

from fastapi import APIRouter, Query
from fj_events import CodedConcept, Identifier, PatientLocation, PatientPhi, Priority
from pydantic import BaseModel

from scheduling_service.agenda import agenda_of
from scheduling_service.domain.agenda import Agenda, Entry, StationTime
from scheduling_service.domain.exam import step_ids
from scheduling_service.domain.notes import Note
from scheduling_service.domain.slots import Span
from scheduling_service.domain.step import StepState
from scheduling_service.domain.visit import Visit, whereabouts
from scheduling_service.entrypoints.appointments import BlockView
from scheduling_service.entrypoints.http import StepView
from scheduling_service.entrypoints.office import Office, told


class SpanView(BaseModel):
    """From an instant to another."""

    starts_at: datetime
    ends_at: datetime


class EntryView(StepView):
    """A step at the station, with what people there want to know of its exam."""

    exam_state: StepState
    number: int
    """Which step of its exam it is: 1 is the first."""
    number_of_steps: int
    """How many steps the exam has."""
    priority: Priority | None
    held: bool
    """Its order is on hold."""
    procedure: CodedConcept | None
    accession_number: Identifier | None
    patient: PatientPhi | None
    visit: Visit | None
    """On which it is ordered, where the registration system spoke of it."""
    patient_location: PatientLocation | None
    """Where the patient is."""
    waiting_since: datetime | None
    performed: str | None
    """The status of the newest MPPS for this step."""
    notes: tuple[Note, ...]

    @classmethod
    def of_entry(cls, entry: Entry) -> Self:
        exam, step = entry.exam, entry.step
        details = exam.ordered.details if exam.ordered else None
        performed = [each.status for each in exam.counted if step.step_id in step_ids(exam, each)]
        return cls(
            **dict(StepView.of(exam.key, step)),
            exam_state=exam.state,
            number=exam.steps.index(step) + 1,
            number_of_steps=len(exam.steps),
            priority=details.priority if details else None,
            held=exam.is_held,
            procedure=exam.ordered.procedure if exam.ordered else None,
            accession_number=details.accession_number if details else None,
            patient=details.patient if details else None,
            visit=entry.visit,
            patient_location=whereabouts(entry.visit, details.clinical) if details else None,
            waiting_since=exam.waits.since if exam.waits else None,
            performed=performed[-1] if performed else None,
            notes=exam.ordered.notes if exam.ordered else (),
        )


class AgendaView(BaseModel):
    """What a station has in some days of its site."""

    site: str
    station_ae_title: str
    name: str | None
    modality: str
    time_zone: str
    days: list[SpanView]
    """From midnight to midnight by the clock of the site: 23 or 25 hours where it is changed."""
    open: list[SpanView]
    blocks: list[BlockView]
    steps: list[EntryView]

    @classmethod
    def of(cls, agenda: Agenda, site: str, days: list[Span]) -> Self:
        return cls(
            site=site,
            station_ae_title=agenda.station.ae_title,
            name=agenda.station.name,
            modality=agenda.station.modality,
            time_zone=agenda.time_zone,
            days=[SpanView(starts_at=day.start, ends_at=day.end) for day in days],
            open=[SpanView(starts_at=span.start, ends_at=span.end) for span in agenda.open],
            blocks=[BlockView.of_block(block) for block in agenda.blocks],
            steps=[EntryView.of_entry(entry) for entry in agenda.entries],
        )


def agenda_router(office: Office) -> APIRouter:
    """The agenda of a station."""
    router = APIRouter(prefix="/api/scheduling", tags=["appointments"])

    @router.get("/agenda", summary="What a station has in some days")
    async def read_agenda(
        station: str,
        site: str = "MAIN",
        day: date | None = None,
        days: Annotated[int, Query(ge=1, le=31)] = 1,
    ) -> AgendaView:
        """`day`: the first one, by the clock of the site; absent: today."""
        zone = office.desk.zone_of(site)
        first = day or office.desk.clock().astimezone(zone).date()
        midnights = [datetime.combine(first + timedelta(days=n), time.min, zone) for n in range(days + 1)]
        spans = [Span(start, end) for start, end in pairwise(midnight.astimezone(UTC) for midnight in midnights)]
        time_there = StationTime(site, station, Span(spans[0].start, spans[-1].end))
        async with told():
            agenda = await agenda_of(time_there, office.book, office.rooms, office.desk)
        return AgendaView.of(agenda, site, spans)

    return router

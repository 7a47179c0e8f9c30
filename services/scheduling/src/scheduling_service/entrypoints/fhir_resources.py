"""Rooms, their times, and appointments as FHIR R4 resources."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import fj_fhir
from fj_events import CodedConcept, Identifier, PatientPhi, Priority, ScheduledStep
from fj_fhir import Coding, HumanName, Json, Meta, Participant, Reference

from scheduling_service.domain.appointed import Appointed, AppointmentStatus, status_of
from scheduling_service.domain.appointment import span_of
from scheduling_service.domain.catalogue import Station
from scheduling_service.domain.diary import Room, Time
from scheduling_service.domain.slots import Slot, Span

_PRIORITIES: Final = {Priority.STAT: 1, Priority.ASAP: 2, Priority.URGENT: 3}
"""Of iCalendar's nine (RFC 5545); routine is 5, the middle."""
_ROUTINE: Final = 5
_TIMED: Final = frozenset({AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED, AppointmentStatus.FULFILLED})


def schedule_of(room: Room, horizon: Span) -> Json:
    """A station at a site: another one each day, as its horizon moves on."""
    return fj_fhir.Schedule(
        id=str(room.id),
        meta=Meta(version=horizon.start.strftime("%Y%m%d"), last_updated=horizon.start),
        identifiers=(fj_fhir.Identifier(room.station.ae_title, room.site),),
        service=Coding(room.station.modality, "DCM"),
        actor=_device(room.site, room.station.ae_title, room.station.name),
        start=horizon.start,
        end=horizon.end,
    ).to_json()


def slot_of(time: Time, procedure: CodedConcept | None, now: datetime) -> Json:
    """A time of a station, which is made when it is asked for."""
    return fj_fhir.Slot(
        id=slot_id(time.room_id, time.span),
        meta=Meta(version=time.status, last_updated=now),
        schedule=Reference("Schedule", id=str(time.room_id)),
        status=time.status,
        start=time.span.start,
        end=time.span.end,
        service=_coding(procedure) if procedure else None,
    ).to_json()


def slot_id(room_id: UUID, span: Span) -> str:
    """Room, start and end: it says all, so that nothing has to be kept."""
    return f"{room_id.hex}-{int(span.start.timestamp())}-{int(span.end.timestamp())}"


def time_meant(text: str) -> tuple[UUID, Span] | None:
    """What the id of a slot says; None where it is no id of a slot."""
    parts = text.split("-")
    try:
        room, start, end = UUID(parts[0]), *(datetime.fromtimestamp(int(part), UTC) for part in parts[1:])
    except (ValueError, OverflowError, OSError):
        return None
    return (room, Span(start, end)) if start < end else None


def appointment_of(found: Appointed) -> Json:
    """An exam as an appointment, or as the wish for one."""
    exam, ordered = found.exam, found.exam.ordered
    if ordered is None:
        raise ValueError("an unscheduled exam has no appointment")
    status, plans, details = status_of(exam), [step.plan for step in exam.steps], ordered.details
    timed = status in _TIMED or status is AppointmentStatus.NOSHOW
    waits = exam.waits
    return fj_fhir.Appointment(
        id=str(ordered.order_id),
        meta=Meta(version=str(int(found.changed_at.timestamp() * 1000)), last_updated=found.changed_at),
        identifiers=tuple(_numbers((details.accession_number, "ACSN"), (details.placer_order_number, "PLAC"))),
        status=status,
        service=_coding(ordered.procedure),
        priority=_PRIORITIES.get(details.priority, _ROUTINE),
        start=plans[0].starts_at if timed else None,
        end=span_of(plans[-1]).end if timed else None,
        wanted=(waits.after, waits.before) if waits else None,
        slots=tuple(_slots(exam.site, plans)) if exam.is_booked else (),
        based_on=Reference("ServiceRequest", id=str(ordered.order_id)),
        comment=waits.reason if waits else None,
        instruction="\n".join(dict.fromkeys(plan.preparation for plan in plans if plan.preparation)) or None,
        participants=(_patient(found.patient_id, details.patient), *_stations(exam.site, plans)),
    ).to_json()


def offer_of(slot: Slot, site: str, procedure: CodedConcept, now: datetime) -> Json:
    """A free slot of all steps of a procedure as an appointment that may be made."""
    start, end = slot[0].span.start, slot[-1].span.end
    said = "/".join(f"{place.station.ae_title}@{place.span.start.isoformat()}" for place in slot)
    rooms = [(Room(site, place.station), place.span) for place in slot]
    return fj_fhir.Appointment(
        id=str(uuid5(NAMESPACE_URL, f"{site}/{procedure.code}/{said}")),
        meta=Meta(version="1", last_updated=now),
        status=AppointmentStatus.PROPOSED,
        service=_coding(procedure),
        start=start,
        end=end,
        slots=tuple(Reference("Slot", id=slot_id(room.id, span)) for room, span in rooms),
        participants=tuple(
            Participant(actor=_device(site, room.station.ae_title, room.station.name), status="needs-action")
            for room, _ in rooms
        ),
    ).to_json()


def _slots(site: str, plans: Sequence[ScheduledStep]) -> Iterable[Reference]:
    for plan in plans:
        room = Room(site, Station(ae_title=plan.station_ae_title, modality=plan.modality))
        yield Reference("Slot", id=slot_id(room.id, span_of(plan)))


def _stations(site: str, plans: Sequence[ScheduledStep]) -> Iterable[Participant]:
    for title, name in dict.fromkeys((plan.station_ae_title, plan.station_name) for plan in plans):
        yield Participant(actor=_device(site, title, name))


def _device(site: str, ae_title: str, name: str | None) -> Reference:
    return Reference("Device", identifier=fj_fhir.Identifier(ae_title, site), display=name or ae_title)


def _patient(patient_id: UUID, patient: PatientPhi) -> Participant:
    name = HumanName(patient.family_name, tuple((patient.given_name or "").split()))
    return Participant(actor=Reference("Patient", id=str(patient_id), display=name.display or None))


def _numbers(*typed: tuple[Identifier | None, str]) -> Iterable[fj_fhir.Identifier]:
    return (fj_fhir.Identifier(number.value, number.issuer, code) for number, code in typed if number)


def _coding(concept: CodedConcept) -> Coding:
    return Coding(concept.code, concept.system, concept.text)

"""Schedule, Slot and Appointment: the resources as plain data, and by what they are searched."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fj_fhir.resources import Resource
from fj_fhir.search import Kind, Parameter, SearchSpec
from fj_fhir.terms import Coding, Json, Reference, moment

SCHEDULE: Final = SearchSpec(
    "Schedule",
    (
        Parameter("identifier", Kind.TOKEN, "The AE title of the station, `site|AE title`"),
        Parameter("service-type", Kind.TOKEN, "The modality of the station"),
        Parameter("active", Kind.TOKEN, "true: it takes appointments"),
    ),
    sorts=(),
)
SLOT: Final = SearchSpec(
    "Slot",
    (
        Parameter("schedule", Kind.REFERENCE, "The schedule of the station", ("Schedule",)),
        Parameter("start", Kind.DATE, "When the slot begins"),
        Parameter("status", Kind.TOKEN, "free, busy, busy-unavailable"),
        Parameter("service-type", Kind.TOKEN, "A procedure: free slots are as long as it takes"),
    ),
    sorts=("start",),
)
APPOINTMENT: Final = SearchSpec(
    "Appointment",
    (
        Parameter("identifier", Kind.TOKEN, "Accession or placer order number, `issuer|number`"),
        Parameter("date", Kind.DATE, "When it begins"),
        Parameter("status", Kind.TOKEN, "proposed, waitlist, booked, arrived, fulfilled, cancelled, noshow"),
        Parameter("patient", Kind.REFERENCE, "Whom it is for", ("Patient",)),
        Parameter("patient.identifier", Kind.TOKEN, "A number of the patient, `issuer|number`"),
        Parameter("based-on", Kind.REFERENCE, "The order", ("ServiceRequest",)),
    ),
    sorts=("date", "_lastUpdated"),
)


@dataclass(frozen=True, kw_only=True)
class Schedule(Resource):
    """When a station can be booked."""

    resource_type = "Schedule"
    service: Coding
    actor: Reference
    start: datetime
    end: datetime
    """How far ahead appointments are made."""

    def _content(self) -> Json:
        return {
            "active": True,
            "serviceType": [self.service.to_concept()],
            "actor": [self.actor.to_json()],
            "planningHorizon": {"start": moment(self.start), "end": moment(self.end)},
        }


@dataclass(frozen=True, kw_only=True)
class Slot(Resource):
    """A time of a station. `status` is free, busy or busy-unavailable."""

    resource_type = "Slot"
    schedule: Reference
    status: str
    start: datetime
    end: datetime
    service: Coding | None = None

    def _content(self) -> Json:
        return {
            "serviceType": [self.service.to_concept()] if self.service else None,
            "schedule": self.schedule.to_json(),
            "status": self.status,
            "start": moment(self.start),
            "end": moment(self.end),
        }


@dataclass(frozen=True, kw_only=True)
class Participant:
    """Who or what takes part; `status` is accepted or needs-action."""

    actor: Reference
    status: str = "accepted"

    def to_json(self) -> Json:
        return {"actor": self.actor.to_json(), "required": "required", "status": self.status}


@dataclass(frozen=True, kw_only=True)
class Appointment(Resource):
    """An appointment, or the wish for one. Only a proposed or cancelled one, or one that waits, is without time."""

    resource_type = "Appointment"
    status: str
    service: Coding
    participants: tuple[Participant, ...]
    priority: int | None = None
    """As iCalendar has it (RFC 5545): 1 is the most urgent."""
    start: datetime | None = None
    end: datetime | None = None
    wanted: tuple[datetime | None, datetime | None] | None = None
    """Of one that waits: from when to when."""
    slots: tuple[Reference, ...] = ()
    based_on: Reference | None = None
    comment: str | None = None
    instruction: str | None = None
    """For the patient."""

    def _content(self) -> Json:
        timed = self.start is not None and self.end is not None
        minutes = int((self.end - self.start).total_seconds()) // 60 if self.start and self.end else None
        wanted = {"start": moment(self.wanted[0]), "end": moment(self.wanted[1])} if self.wanted else {}
        return {
            "status": self.status,
            "serviceType": [self.service.to_concept()],
            "priority": self.priority,
            "description": self.service.display,
            "start": moment(self.start) if timed else None,
            "end": moment(self.end) if timed else None,
            "minutesDuration": minutes,
            "slot": [slot.to_json() for slot in self.slots],
            "comment": self.comment,
            "patientInstruction": self.instruction,
            "basedOn": [self.based_on.to_json()] if self.based_on else None,
            "participant": [participant.to_json() for participant in self.participants],
            "requestedPeriod": [{name: value for name, value in wanted.items() if value}]
            if any(wanted.values())
            else None,
        }

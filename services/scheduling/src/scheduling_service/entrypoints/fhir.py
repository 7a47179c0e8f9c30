"""`/fhir`: read and search of Schedule, Slot and Appointment, and the search for free slots (`Appointment/$find`).

The gateway routes them here; what else FHIR has, and the capability statement, is `ehr_sync`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import fj_fhir
from fastapi import APIRouter, Request, Response
from fj_events import CodedConcept
from fj_fhir import BadSearch, FhirResponse, Json, NoSuchResource, Page, SearchSpec
from fj_runtime import AWAY

from scheduling_service import free_slots
from scheduling_service.diaries import Diaries
from scheduling_service.domain.catalogue import Procedure
from scheduling_service.domain.diary import Room
from scheduling_service.domain.errors import NoSuchStation
from scheduling_service.domain.slots import Search, Span
from scheduling_service.entrypoints.fhir_queries import (
    fits,
    groups_of,
    id_of,
    is_asked_for,
    is_pointed_at,
    moment,
    tokens,
    wanted_appointments,
    window,
)
from scheduling_service.entrypoints.fhir_resources import appointment_of, offer_of, schedule_of, slot_of, time_meant
from scheduling_service.free_slots import HORIZON
from scheduling_service.ports import Appointments

_SPECS: Final = {spec.resource_type: spec for spec in (fj_fhir.SCHEDULE, fj_fhir.SLOT, fj_fhir.APPOINTMENT)}


@dataclass(frozen=True, slots=True)
class FhirOffice:
    """What these addresses need. `public_url`: how clients reach the gateway; None: as the request names it."""

    diaries: Diaries
    appointments: Appointments
    public_url: str | None


def fhir(office: FhirOffice) -> APIRouter:
    """The routes."""
    router = fj_fhir.fhir_router(away=AWAY)
    _schedules(router, office)
    _slots(router, office)
    _appointments(router, office)
    fj_fhir.refuse_the_rest(router, _SPECS)
    return router


def _schedules(router: APIRouter, office: FhirOffice) -> None:
    diaries = office.diaries

    def shown(room: Room) -> Json:
        today = diaries.desk.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        return schedule_of(room, Span(today, today + HORIZON))

    @router.get("/Schedule/{schedule_id}")
    async def read(schedule_id: str, request: Request) -> Response:
        room = diaries.room(id_of("Schedule", schedule_id))
        if room is None:
            raise NoSuchResource("Schedule", schedule_id)
        return fj_fhir.resource_response(request, shown(room))

    @router.post("/Schedule/_search")
    @router.get("/Schedule")
    async def search(request: Request) -> Response:
        asked = await _asked(fj_fhir.SCHEDULE, request)
        found = [shown(room) for room in diaries.all() if is_asked_for(room, asked)]
        return _bundle(_root(request, office, "Schedule"), asked, found[asked.offset :], total=len(found))


def _slots(router: APIRouter, office: FhirOffice) -> None:
    diaries = office.diaries

    @router.get("/Slot/{slot_id}")
    async def read(slot_id: str, request: Request) -> Response:
        meant = time_meant(slot_id)
        room = diaries.room(meant[0]) if meant else None
        time = await diaries.time(room, meant[1]) if room and meant else None
        if time is None:
            raise NoSuchResource("Slot", slot_id)
        return fj_fhir.resource_response(request, slot_of(time, None, diaries.desk.clock()))

    @router.post("/Slot/_search")
    @router.get("/Slot")
    async def search(request: Request) -> Response:
        asked = await _asked(fj_fhir.SLOT, request)
        now = diaries.desk.clock()
        rooms = [room for room in diaries.all() if is_pointed_at(room, asked)]
        procedure = _procedure(asked, diaries)
        times = await diaries.times(rooms, procedure.code if procedure else None, window(asked, now))
        wanted = (time for time in times if fits(time.span.start, time.status, asked))
        page = list(islice(wanted, asked.offset, asked.offset + asked.count + 1))
        concept = _concept(procedure) if procedure else None
        return _bundle(_root(request, office, "Slot"), asked, [slot_of(time, concept, now) for time in page])


def _appointments(router: APIRouter, office: FhirOffice) -> None:
    @router.get("/Appointment/$find")
    async def find(request: Request, start: str, end: str | None = None, site: str = "MAIN") -> Response:
        """As Argonaut has it: free slots for all steps of a procedure, as appointments that may be made."""
        desk = office.diaries.desk
        asked = await _asked(fj_fhir.SLOT, request, ignored=("start", "end", "site", "location"))
        procedure = _procedure(asked, office.diaries)
        if procedure is None:
            raise BadSearch("service-type", "say for which procedure")
        search = Search(
            site=site,
            station_ae_title=request.query_params.get("location"),
            after=moment("start", start),
            before=moment("end", end) if end else None,
            limit=asked.count,
        )
        try:
            found = await free_slots.slots_of_procedure(procedure.code, search, office.diaries.rooms, desk)
        except NoSuchStation as error:
            raise BadSearch("location", str(error)) from None
        offers = [offer_of(slot, site, _concept(procedure), desk.clock()) for slot in found]
        root = _root(request, office, "Appointment/$find")
        bundle = fj_fhir.searchset(
            root, replace(asked, used=tuple(request.query_params.multi_items())), Page(offers, None)
        )
        for entry in bundle.get("entry", []):  # nothing has this address: an offer is not kept
            entry["fullUrl"] = f"urn:uuid:{entry['resource']['id']}"
        return FhirResponse(bundle)

    @router.get("/Appointment/{appointment_id}")
    async def read(appointment_id: str, request: Request) -> Response:
        found = await office.appointments.read(id_of("Appointment", appointment_id))
        if found is None:
            raise NoSuchResource("Appointment", appointment_id)
        return fj_fhir.resource_response(request, appointment_of(found))

    @router.post("/Appointment/_search")
    @router.get("/Appointment")
    async def search(request: Request) -> Response:
        asked = await _asked(fj_fhir.APPOINTMENT, request)
        wanted = wanted_appointments(asked)
        found = [] if asked.only_count else await office.appointments.find(wanted)
        total = await office.appointments.count(wanted)
        matches = [appointment_of(each) for each in found]
        return _bundle(_root(request, office, "Appointment"), asked, matches, total=total)


async def _asked(spec: SearchSpec, request: Request, ignored: Sequence[str] = ()) -> fj_fhir.Search:
    given = request.query_params.multi_items()
    if request.method == "POST":
        given += await fj_fhir.read_form(request)
    known = [(name, value) for name, value in given if name not in ignored]
    return fj_fhir.parse_search(spec, known, strict=fj_fhir.is_strict(request.headers.getlist("prefer")))


def _root(request: Request, office: FhirOffice, path: str) -> str:
    return f"{fj_fhir.origin(request, office.public_url)}/fhir/{path}"


def _bundle(root: str, asked: fj_fhir.Search, found: Sequence[Json], *, total: int | None = None) -> Response:
    matches = [] if asked.only_count else found[: asked.count]
    more = len(found) > asked.count and not asked.only_count
    return FhirResponse(fj_fhir.searchset(root, asked, Page(matches=matches, total=total, more=more)))


def _procedure(asked: fj_fhir.Search, diaries: Diaries) -> Procedure | None:
    """What the free times are for; None where nobody asks for one."""
    codes = [token.code for group in groups_of("service-type", asked) for token in tokens(group)]
    if not codes:
        return None
    found = diaries.desk.catalogue.procedure(codes[0] or "")
    if found is None or len(codes) > 1:
        raise BadSearch("service-type", "is not one procedure of the catalogue")
    return found


def _concept(procedure: Procedure) -> CodedConcept:
    return CodedConcept(code=procedure.code, text=procedure.text)

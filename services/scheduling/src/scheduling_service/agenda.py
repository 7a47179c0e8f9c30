"""Handlers of the agenda: what a station has in some time."""

from scheduling_service.appointments import Desk
from scheduling_service.domain.agenda import Agenda, StationTime, entries
from scheduling_service.domain.errors import NoSuchStation
from scheduling_service.domain.groups import groups_of
from scheduling_service.domain.slots import open_spans
from scheduling_service.ports import ExamBook, Rooms


async def agenda_of(wanted: StationTime, book: ExamBook, rooms: Rooms, desk: Desk) -> Agenda:
    """The agenda of a station. Raises NoSuchStation."""
    site, ae_title, within = wanted.site, wanted.ae_title, wanted.within
    station = desk.catalogue.station(ae_title, site)
    if station is None:
        raise NoSuchStation
    zone = desk.zone_of(site)
    titles = groups_of(ae_title, site, desk.catalogue)
    exams = await book.at_station(site, titles, within)
    visits = await book.visits_of([exam.key for exam in exams])
    return Agenda(
        station=station,
        time_zone=zone.key,
        open=open_spans(station, zone, within),
        blocks=await rooms.blocks(site, ae_title, within),
        entries=entries(exams, visits, titles, within),
    )

"""Handlers of diaries: the times of rooms, for who asks in terms of FHIR (Schedule and Slot)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from scheduling_service.appointments import Desk
from scheduling_service.domain.catalogue import StepTemplate
from scheduling_service.domain.diary import Diary, Room, Time, together
from scheduling_service.domain.errors import NoSuchProcedure
from scheduling_service.domain.slots import Span, open_spans
from scheduling_service.ports import Rooms


@dataclass(frozen=True, slots=True)
class Diaries:
    """The rooms of all sites, and what they are taken for."""

    sites: Sequence[str]
    rooms: Rooms
    desk: Desk

    def all(self) -> list[Room]:
        """Every station of every site."""
        stations = self.desk.catalogue.stations
        return [Room(site, each) for site in self.sites for each in stations if each.site in {None, site}]

    def room(self, room_id: UUID) -> Room | None:
        """The room with this id."""
        return next((room for room in self.all() if room.id == room_id), None)

    async def time(self, room: Room, span: Span) -> Time | None:
        """What this very time of a room is; None where it is closed."""
        return (await self._diary(room, span)).time(span)

    async def times(self, rooms: Iterable[Room], procedure: str | None, within: Span) -> Iterator[Time]:
        """The times of rooms by start; for a procedure, of those that can do a step of it. Raises NoSuchProcedure."""
        diaries = []
        for room in rooms:
            step = self._step(room, procedure)
            if procedure is None or step is not None:
                diaries.append((await self._diary(room, within), step))
        return together(diaries)

    def _step(self, room: Room, code: str | None) -> StepTemplate | None:
        """The first step of a procedure that the room can do."""
        if code is None:
            return None
        procedure = self.desk.catalogue.procedure(code)
        if procedure is None:
            raise NoSuchProcedure
        able = (step for step in procedure.steps if room.station in self.desk.catalogue.stations_for(step, room.site))
        return next(able, None)

    async def _diary(self, room: Room, within: Span) -> Diary:
        title = room.station.ae_title
        return Diary(
            room=room,
            within=within,
            open=open_spans(room.station, self.desk.zone_of(room.site), within),
            taken=(await self.rooms.taken(room.site, [title], within)).get(title, []),
            blocks=await self.rooms.blocks(room.site, title, within),
        )

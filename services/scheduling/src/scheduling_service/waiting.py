"""Handlers of the waiting list: who waits for a slot is given one when one becomes free."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from fj_bus import Tx

from scheduling_service.appointments import Desk, exam_in_hand
from scheduling_service.domain.errors import SchedulingError
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.planning import templates
from scheduling_service.domain.slots import Search
from scheduling_service.domain.waiting import Waiting
from scheduling_service.free_slots import booked_next
from scheduling_service.ports import Schedule, WaitingList

BECAUSE: Final = "taken up from the waiting list"
AT_ONCE: Final = 1000
"""Exams that are read at once."""

_Wish: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class TakingUp:
    """What giving slots to those who wait needs."""

    waiting_list: WaitingList
    unit: Callable[[], AbstractAsyncContextManager[Tx]]
    schedule: Callable[[Tx], Schedule]
    desk: Desk
    notice: timedelta
    """How long before it a patient has to know of an appointment."""

    async def where_freed(self) -> None:
        """Look where times became free since the last look."""
        if freed := await self.waiting_list.freed():
            await self._look({(each.site, each.station_ae_title) for each in freed})
            await self.waiting_list.looked_at(freed)

    async def everywhere(self) -> None:
        """Look at all stations: as days pass, new ones can be booked."""
        await self._look(None)

    async def _look(self, stations: set[tuple[str, str]] | None) -> None:
        """One after the other in their turn; who wants what was in vain already is not tried again."""
        vain = set[_Wish]()
        stay = 0
        while page := await self.waiting_list.find(None, AT_ONCE, stay):
            for exam in page:
                wish = self._wish(exam)
                hopeful = wish not in vain and (stations is None or not stations.isdisjoint(self._rooms(exam)))
                if hopeful and await self._take_up(exam.key):
                    continue
                stay += 1
                if hopeful:
                    vain.add(wish)

    async def _take_up(self, key: str) -> bool:
        """Whether it waits no longer."""
        async with self.unit() as tx:
            schedule = self.schedule(tx)
            exam = await exam_in_hand(key, schedule)
            waiting = exam.waits
            if waiting is None or not waiting.take_up:
                return waiting is None
            earliest = self.desk.clock() + self.notice
            search = Search(
                station_ae_title=waiting.station_ae_title,
                after=max(waiting.after or earliest, earliest),
                before=waiting.before,
            )
            try:
                return await booked_next(exam, search, BECAUSE, schedule, self.desk) is not None
            except SchedulingError:
                return False

    def _rooms(self, exam: Exam) -> set[tuple[str, str]]:
        steps = templates(exam, self.desk.catalogue)
        able = (self.desk.catalogue.stations_for(step, exam.site) for step in steps)
        return {(exam.site, station.ae_title) for choice in able for station in choice}

    def _wish(self, exam: Exam) -> _Wish:
        waiting = exam.waits or Waiting(since=self.desk.clock(), reason="")
        what = (waiting.after, waiting.before, waiting.station_ae_title, waiting.take_up)
        return (exam.site, templates(exam, self.desk.catalogue), *what)

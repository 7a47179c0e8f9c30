"""The diary of a station: its times, each free, booked or blocked. Nothing of it is stored."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from uuid import UUID, uuid5

from scheduling_service.domain.catalogue import Station, StepTemplate
from scheduling_service.domain.slots import Block, Span, free_spans, slots


class TimeStatus(StrEnum):
    """R4 slotstatus, as far as it is used."""

    FREE = "free"
    BUSY = "busy"
    """Somebody's appointment."""
    UNAVAILABLE = "busy-unavailable"
    """Blocked."""


@dataclass(frozen=True, slots=True)
class Room:
    """A station at a site."""

    site: str
    station: Station

    @property
    def id(self) -> UUID:
        """The same for ever: it follows from site and AE title."""
        return uuid5(_ROOMS, f"{self.site}/{self.station.ae_title}")


_ROOMS = UUID("4b1f8c1c-6f0c-4d7d-9f37-0c8ff1c9f5f2")


@dataclass(frozen=True, slots=True, order=True)
class Time:
    """A time of a room."""

    span: Span
    room_id: UUID
    status: TimeStatus


@dataclass(frozen=True, slots=True)
class Diary:
    """When a room is open, taken and blocked within some time."""

    room: Room
    within: Span
    open: Sequence[Span]
    taken: Sequence[Span]
    """Appointments and blocks."""
    blocks: Sequence[Block]

    def times(self, step: StepTemplate | None) -> Iterator[Time]:
        """By start. Free ones as long as the step takes; without a step, as long as they are."""
        blocked = {block.span for block in self.blocks}
        free = free_spans(self.open, self.taken)
        spans: Iterable[Span] = free
        if step is not None:
            title = self.room.station.ae_title
            spans = (slot[0].span for slot in slots([step], [[self.room.station]], {title: free}, self.within))
        status = ((span, TimeStatus.UNAVAILABLE if span in blocked else TimeStatus.BUSY) for span in sorted(self.taken))
        return merge(
            (Time(span, self.room.id, TimeStatus.FREE) for span in spans),
            (Time(span, self.room.id, said) for span, said in status),
        )

    def time(self, span: Span) -> Time | None:
        """What this very time is; None where the station is closed for a part of it."""
        taken = next((each for each in self.taken if each.start < span.end and span.start < each.end), None)
        if taken is None:
            is_open = any(each.start <= span.start and span.end <= each.end for each in self.open)
            return Time(span, self.room.id, TimeStatus.FREE) if is_open else None
        blocked = any(block.span == taken for block in self.blocks)
        return Time(span, self.room.id, TimeStatus.UNAVAILABLE if blocked else TimeStatus.BUSY)


def together(diaries: Iterable[tuple[Diary, StepTemplate | None]]) -> Iterator[Time]:
    """The times of several rooms, by start."""
    return merge(*(diary.times(step) for diary, step in diaries))

"""What the addresses of appointments need, and how they refuse."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from fastapi import status
from fj_bus import Call, Tx
from fj_runtime import Problem

from scheduling_service.appointments import Desk, exam_in_hand
from scheduling_service.domain.errors import NoSuchExam, NoSuchProcedure, NoSuchStation, SchedulingError
from scheduling_service.domain.exam import Exam
from scheduling_service.ports import ExamBook, Rooms, Schedule

_STATUS: Final[Mapping[type[SchedulingError], int]] = MappingProxyType(
    dict.fromkeys((NoSuchExam, NoSuchProcedure, NoSuchStation), status.HTTP_404_NOT_FOUND)
)
"""What is not a conflict with how things stand."""


@dataclass(frozen=True, slots=True)
class Office:
    """What these addresses need."""

    unit: Callable[[str], AbstractAsyncContextManager[Tx]]
    schedule: Callable[[Tx], Schedule]
    book: ExamBook
    rooms: Rooms
    desk: Desk

    async def once(self, exam_key: str, asked: Call, actor: str, act: Callable[[Schedule], Awaitable[Exam]]) -> Exam:
        """What somebody does with an exam; asked for again, the exam as it is now."""
        async with self.unit(actor) as tx:
            schedule = self.schedule(tx)
            is_new = await asked.is_new(tx, actor)
            return await (act(schedule) if is_new else exam_in_hand(exam_key, schedule))


@asynccontextmanager
async def told() -> AsyncIterator[None]:
    """A refusal becomes a problem."""
    try:
        yield
    except SchedulingError as error:
        raise problem(error) from None


def problem(error: SchedulingError, **members: Any) -> Problem:
    """A refusal as RFC 9457 has it."""
    return Problem(_STATUS.get(type(error), status.HTTP_409_CONFLICT), str(error), **members)

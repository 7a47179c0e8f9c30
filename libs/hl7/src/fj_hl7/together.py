"""Group commit: what comes while the disk is busy shares the next transaction."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

_PATIENCE_S: Final = 0.002
"""Without it the quickest sender of many begins a transaction alone, and each costs as much as some messages."""
_SHARED_OUT: Final = 12
"""From so many on they are shared out to the lanes: fewer would not make up for what one more transaction costs."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Call(Generic[T, R]):
    item: T
    outcome: asyncio.Future[R]
    attempt: asyncio.Task[Sequence[R]] | None = None


class Together(Generic[T, R]):
    """Does in one go what is asked for at the same time, and one by one what fails in company.

    `work(items)` returns one result for each item, in their order, or raises and has done nothing. An item alone at the
    door is begun at once; at most `lanes` goes are under way, and who comes meanwhile makes up the next one, of at most
    `most` items. Who was answered together comes again together, as senders send the next message after the answer: so
    a go waits until as many are there as were in the one before, `_PATIENCE_S` at most. Many are shared out to the
    lanes that are free: all in one go would have us wait for the database and the database for us, by turns.

    When a go of several raises, or the caller of one of them gives up, each of the others is done again alone, in its
    turn: so a failure is told to the one who caused it, and costs its neighbours time but nothing else.
    """

    def __init__(
        self, work: Callable[[Sequence[T]], Coroutine[Any, Any, Sequence[R]]], most: int = 32, lanes: int = 2
    ) -> None:
        self._work = work
        self._most = most
        self._lanes = lanes
        self._waiting: deque[_Call[T, R]] = deque()
        self._going: set[asyncio.Task[None]] = set()
        self._company = 1
        """How many the last go had."""
        self._patience: asyncio.TimerHandle | None = None

    async def __call__(self, item: T) -> R:
        """The result for this item. Raises what `work` raised for it alone."""
        loop = asyncio.get_running_loop()
        call: _Call[T, R] = _Call(item, loop.create_future())
        self._waiting.append(call)
        loop.call_soon(self._begin)  # soon, not now: what the loop has read already comes along
        try:
            return await call.outcome
        except asyncio.CancelledError:
            if call.attempt is not None:
                call.attempt.cancel()
            raise

    def _begin(self) -> None:
        if len(self._waiting) >= self._company:
            self._begin_all()
        elif self._waiting and self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(_PATIENCE_S, self._begin_all)

    def _begin_all(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        while self._waiting and len(self._going) < self._lanes:
            calls = [self._waiting.popleft() for _ in range(self._share())]
            self._company = len(calls)
            going = asyncio.create_task(self._go(calls))
            self._going.add(going)
            going.add_done_callback(self._gone)

    def _share(self) -> int:
        """How many of those who wait make up the next go."""
        waiting, free = len(self._waiting), self._lanes - len(self._going)
        return min(self._most, waiting if waiting < _SHARED_OUT else math.ceil(waiting / free))

    def _gone(self, going: asyncio.Task[None]) -> None:
        self._going.discard(going)
        self._begin()

    async def _go(self, calls: list[_Call[T, R]]) -> None:
        await self._attempt(calls)
        for call in calls:
            await self._attempt([call])

    async def _attempt(self, calls: Sequence[_Call[T, R]]) -> None:
        """Work on the calls whose callers still wait; a failure is theirs only if there is one of them."""
        calls = [call for call in calls if not call.outcome.done()]
        if not calls:
            return
        attempt = asyncio.create_task(self._work([call.item for call in calls]))
        for call in calls:
            call.attempt = attempt
        await asyncio.wait([attempt])
        failure = asyncio.CancelledError() if attempt.cancelled() else attempt.exception()
        if failure is None:
            for call, result in zip(calls, attempt.result(), strict=True):
                if not call.outcome.done():
                    call.outcome.set_result(result)
        elif len(calls) == 1 and not calls[0].outcome.done():
            calls[0].outcome.set_exception(failure)

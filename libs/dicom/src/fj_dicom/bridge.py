"""From the thread of an association to the event loop and back."""

import asyncio
import queue
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import aclosing
from typing import Final, Generic, TypeVar

from fj_dicom.errors import Refused
from fj_dicom.messages import Request
from fj_dicom.status import General, Status

T = TypeVar("T")
GRACE_S: Final = 5.0
"""What a loop that is late may take on top, before it counts as stuck."""


class Bridge:
    """Runs handlers on the loop that it was made for; each has `deadline_s` seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline_s: float) -> None:
        self._loop = loop
        self._deadline_s = deadline_s

    def call(self, handler: Callable[[Request], Awaitable[T]], request: Request) -> T:
        """The handler's result or exception. Raises Refused when it has neither in time.

        A handler that is late is cancelled and awaited: what it finished nevertheless is its answer, so that
        a failure status keeps meaning that nothing happened.
        """
        running = asyncio.run_coroutine_threadsafe(self._in_time(handler, request), self._loop)
        try:
            return running.result(self._deadline_s + GRACE_S)
        except (TimeoutError, CancelledError):
            running.cancel()
            raise Refused(Status(General.PROCESSING_FAILURE, f"no result within {self._deadline_s:g} s")) from None

    async def _in_time(self, handler: Callable[[Request], Awaitable[T]], request: Request) -> T:
        return await asyncio.wait_for(handler(request), self._deadline_s)


class Pulled(Generic[T]):
    """Items of an asynchronous generator, for a thread to take; `ahead` of them are made before they are asked for.

    An exception of the generator is raised in the thread, behind the items before it.
    """

    def __init__(
        self, items: AsyncGenerator[T, None], loop: asyncio.AbstractEventLoop, *, ahead: int, deadline_s: float
    ) -> None:
        self._loop = loop
        self._deadline_s = deadline_s
        self._room = asyncio.Semaphore(ahead)
        self._waiting: queue.SimpleQueue[tuple[T] | Exception | None] = queue.SimpleQueue()
        self._pumping = asyncio.run_coroutine_threadsafe(self._pump(items), loop)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """The next one. Raises TimeoutError when it does not come in time."""
        try:
            item = self._waiting.get(timeout=self._deadline_s)
        except queue.Empty:
            raise TimeoutError from None
        if item is None:
            raise StopIteration
        if isinstance(item, Exception):
            raise item
        self._loop.call_soon_threadsafe(self._room.release)
        return item[0]

    def close(self) -> None:
        """Nothing more is taken; for the thread to call."""
        self._pumping.cancel()

    async def _pump(self, items: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    self._waiting.put((item,))
                    await self._room.acquire()
        except Exception as reason:  # noqa: BLE001 - the thread decides what it means
            self._waiting.put(reason)
        finally:
            self._waiting.put(None)

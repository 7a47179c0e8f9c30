"""From the thread of an association to the event loop and back."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import Final, TypeVar

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

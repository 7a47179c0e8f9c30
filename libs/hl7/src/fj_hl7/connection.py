"""One MLLP connection of the server: frames in, one answer to each, in order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import structlog

from fj_hl7 import metrics
from fj_hl7.ack import nack_unreadable
from fj_hl7.errors import AckCode
from fj_hl7.framing import Framer, frame

_log = structlog.get_logger("fj_hl7")

Handle = Callable[[bytes, str], Awaitable[bytes | tuple[bytes, ...]]]
"""Gives the answer to a frame, or several, or none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may ask for. Times in seconds, sizes in bytes.

    `answer`: a handler that takes longer is cancelled and answered AE; below the 5 s after which senders give up.
    `stall`: no byte within a begun frame, or an answer that is not read; `idle`: no byte between frames.
    `grace`: how long to wait for the CR that belongs after FS. `ahead`: frames read before the first is answered.
    """

    frame: int = 16 * 1024 * 1024
    connections: int = 256
    answer: float = 4.5
    stall: float = 30.0
    idle: float = 3600.0
    grace: float = 0.2
    ahead: int = 32


class Connection(asyncio.Protocol):
    """States: reading and answering; ending (peer or server wants no more: what is in hand is answered); closed."""

    def __init__(self, door: str, handle: Handle, limits: Limits, connections: "set[Connection]") -> None:
        self._door = door
        self._handle = handle
        self._limits = limits
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._framer = Framer(limits.frame)
        self._skipped = 0
        self._frames: deque[bytes] = deque()
        self._last_words: bytes | None = None
        self._ending = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._wake: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._active = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("?",)
        self._peer = str(peer[0])
        if len(self._connections) >= self._limits.connections:
            self._fault("too many connections")
            self._transport.abort()
            return
        self._connections.add(self)
        metrics.CONNECTIONS.labels(self._door).inc()
        self._timer = self._loop.call_later(self._limits.stall, self._look)
        self.task = self._loop.create_task(self._work())

    def data_received(self, data: bytes) -> None:
        self._active = self._loop.time()
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if self._ending:
            return
        self._frames += self._framer.feed(data)
        if self._framer.too_long is not None:
            self._fault("frame too long")
            said = f"the message is longer than {self._limits.frame} bytes"
            self._last_words = nack_unreadable(self._framer.too_long, said)
            self.end()
        self._count_skipped()
        if self._framer.waits_for_cr:
            self._grace = self._loop.call_later(self._limits.grace, self._close_frame)
        if len(self._frames) >= self._limits.ahead:
            self._transport.pause_reading()
        self._rouse()

    def eof_received(self) -> bool:
        """The peer has sent all; it may still read, so that its frames get their answers (not possible with TLS)."""
        if self._framer.waits_for_cr:
            self._close_frame()
        self.end()
        return self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self not in self._connections:
            return
        self._connections.discard(self)
        self.gone.set_result(None)
        metrics.CONNECTIONS.labels(self._door).dec()
        for timer in (self._timer, self._grace):
            if timer is not None:
                timer.cancel()
        self._frames.clear()
        self._ending = True
        self._writable.set()
        self._rouse()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._active = self._loop.time()
        self._writable.set()

    def end(self) -> None:
        """Take no more; answer what is complete; then close."""
        self._ending = True
        self._rouse()

    def abort(self) -> None:
        """Close at once; a handler at work is cancelled."""
        self.task.cancel()
        self._transport.abort()

    async def _work(self) -> None:
        while True:
            while self._frames:
                for answer in await self._answers(self._frames.popleft()):
                    self._write(answer)
                await self._writable.wait()
            if self._ending:
                break
            self._transport.resume_reading()
            self._wake = self._loop.create_future()
            await self._wake
        if self._last_words is not None:
            self._write(self._last_words)
        self._transport.close()

    async def _answers(self, raw: bytes) -> tuple[bytes, ...]:
        """The handler's answers, or AE with a general text."""
        try:
            async with asyncio.timeout(self._limits.answer):
                answer = await self._handle(raw, self._peer)
        except Exception as error:  # noqa: BLE001 - every frame gets its answer
            self._fault("not answered", type(error).__name__)
            return (nack_unreadable(raw, "the message could not be processed", AckCode.AE),)
        return answer if isinstance(answer, tuple) else (answer,)

    def _write(self, answer: bytes) -> None:
        self._active = self._loop.time()
        if not self._transport.is_closing():
            self._transport.write(frame(answer))

    def _close_frame(self) -> None:
        self._grace = None
        self._frames.append(self._framer.close())
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _look(self) -> None:
        """Close what stands still; look again when the next limit could be reached."""
        unread = not self._writable.is_set()
        busy = self._framer.inside or unread
        limit = self._limits.stall if busy else self._limits.idle
        still = self._loop.time() - self._active
        if still >= limit and (unread or not self._frames):
            self._fault("stalled" if busy else "idle")
            self._transport.abort() if busy else self.end()
            return
        self._timer = self._loop.call_later(min(self._limits.stall, max(limit - still, 0.01)), self._look)

    def _count_skipped(self) -> None:
        if self._framer.skipped != self._skipped:
            metrics.SKIPPED_BYTES.labels(self._door).inc(self._framer.skipped - self._skipped)
            self._skipped = self._framer.skipped

    def _fault(self, what: str, error: str = "") -> None:
        metrics.FAULTS.labels(self._door, what).inc()
        _log.warning("hl7 fault", door=self._door, peer=self._peer, fault=what, error=error)


async def finish(connections: "set[Connection]", within: float) -> None:
    """End all connections: what is in hand within the time, the rest cut off."""
    for connection in connections:
        connection.end()
    if connections:
        await asyncio.wait([connection.gone for connection in connections], timeout=within)
    late = list(connections)
    for connection in late:
        connection.abort()
    await asyncio.gather(*(connection.task for connection in late), return_exceptions=True)

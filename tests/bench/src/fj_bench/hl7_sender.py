"""A sender of HL7 messages that costs little: prepared bytes over plain sockets, one message in flight on each."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fj_hl7.framing import END, frame

_ACCEPTED: Final = b"\rMSA|AA|"
_READ: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the messages: seconds for all of them, seconds that each answer took."""

    elapsed: float
    waits: tuple[float, ...]

    @property
    def rate(self) -> float:
        return len(self.waits) / self.elapsed

    def quantile(self, share: float) -> float:
        """The wait in seconds that this share of the answers did not exceed."""
        return sorted(self.waits)[min(int(len(self.waits) * share), len(self.waits) - 1)]


class Refused(Exception):
    """The answer to a message was another one than AA."""


async def flood(port: int, messages: Sequence[bytes], connections: int) -> Sent:
    """Send all as fast as the answers come. Raises Refused."""
    return await _send(port, iter([(0.0, frame(message)) for message in messages]), connections)


async def pace(port: int, messages: Sequence[bytes], connections: int, per_second: float) -> Sent:
    """Send one message every 1/`per_second` s; a wait counts from the instant at which the message was due."""
    start = time.perf_counter() + 0.1
    due = ((start + n / per_second, frame(message)) for n, message in enumerate(messages))
    return await _send(port, due, connections)


async def _send(port: int, queue: Iterator[tuple[float, bytes]], connections: int) -> Sent:
    loop = asyncio.get_running_loop()
    waits: list[float] = []

    async def work(connection: socket.socket) -> None:
        for due, framed in queue:
            begun = time.perf_counter()
            if due > begun:
                await asyncio.sleep(due - begun)
            await loop.sock_sendall(connection, framed)
            answer = b""
            while not answer.endswith(END):
                more = await loop.sock_recv(connection, _READ)
                if not more:
                    raise Refused("the door closed the connection")
                answer += more
            waits.append(time.perf_counter() - (due or begun))
            if _ACCEPTED not in answer:
                raise Refused(answer.decode(errors="replace"))

    sockets = [_connected(port) for _ in range(connections)]
    start = time.perf_counter()
    try:
        await asyncio.gather(*map(work, sockets))
    finally:
        for connection in sockets:
            connection.close()
    return Sent(time.perf_counter() - start, tuple(waits))


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection

"""The MLLP server: a part of a service's process."""

import asyncio
import socket
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

import structlog

from fj_hl7.connection import Connection, Handle, Limits, finish

_log = structlog.get_logger("fj_hl7")

_DRAIN: Final = 10.0
# A peer that vanished without a word is noticed within about two minutes.
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 120_000))


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the door is open; `detail` names its address."""

    ok: bool
    detail: str


class MllpServer:
    """Listens on `host`:`port` (0 = a free one, see `port` while running) and answers each frame by `handle`.

    `handle(content, peer address)` gives the answer. With `ssl` it speaks TLS; a context that requires client
    certificates makes it the secure node of IHE ATNA.
    """

    def __init__(  # noqa: PLR0913 - an address, an answerer, two keyword options
        self,
        name: str,
        host: str,
        port: int,
        handle: Handle,
        *,
        ssl: SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self._handle = handle
        self._ssl = ssl
        self._limits = limits or Limits()
        self._connections: set[Connection] = set()
        self._open = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then finish the frames in hand, 10 s at most."""
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self.name, self._handle, self._limits, self._connections),
            sock=self._socket(),
            ssl=self._ssl,
        )
        self._open = True
        _log.info("hl7 door open", door=self.name, host=self.host, port=self.port, tls=self._ssl is not None)
        try:
            await stop.wait()
        finally:
            self._open = False
            server.close()
            await finish(self._connections, _DRAIN)

    def health(self) -> Health:
        state = f"open, {len(self._connections)} connections" if self._open else "closed"
        return Health(self._open, f"{self.name} on {self.host}:{self.port} {state}")

    def _socket(self) -> socket.socket:
        listener = socket.create_server((self.host, self.port), backlog=128)
        # What is set on the listener, its connections inherit.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            if hasattr(socket, option):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self.port = listener.getsockname()[1]
        return listener

"""The listener of an SCP: a part of a service's process."""

import asyncio
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from fj_dicom import metrics
from fj_dicom.association import Association, Outcome
from fj_dicom.bridge import Bridge
from fj_dicom.offer import Offer
from fj_dicom.pdu import PduSocket
from fj_dicom.peers import Peers
from fj_dicom.places import Places
from fj_dicom.services import Service
from fj_dicom.settings import ScpSettings

log = structlog.get_logger(__name__)

BACKLOG: Final = 128
ACCEPT_PAUSE_S: Final = 0.1
CUT_S: Final = 2.0
UNHEARD_MAX: Final = 16
"""Connections above the limit of associations: those that have asked for nothing yet, that are told that there is no
room, and whose association has just ended. Further ones are closed."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the listener works; `detail` says what it does."""

    ok: bool
    detail: str


class Scp:
    """Accepts associations and runs each in a thread. `run` returns when `stop` is set and all have ended."""

    def __init__(self, name: str, settings: ScpSettings, services: Sequence[Service], peers: Peers) -> None:
        self.name = name
        self._offer = Offer.of(name, settings, services, peers)
        self._places = Places(settings.max_associations, settings.makes_way_after_s)
        self._open: dict[threading.Thread, Association] = {}
        self._listening = False

    def health(self) -> Health:
        """Listening or not, and how many associations are open."""
        settings = self._offer.settings
        if not self._listening:
            return Health(ok=False, detail=f"{settings.ae_title} does not listen on {settings.host}:{settings.port}")
        return Health(ok=True, detail=f"{settings.ae_title} on {settings.port}, {len(self._open)} associations")

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set. Raises OSError when the address cannot be had."""
        bridge = Bridge(asyncio.get_running_loop(), self._offer.settings.answer_timeout_s)
        with self._socket() as listener:
            self._listening = True
            accepting = asyncio.create_task(self._accept(listener, bridge))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({accepting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._listening = False
            stopping.cancel()
            accepting.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
        await self._drain()
        if accepting.done() and not accepting.cancelled():
            accepting.result()

    def _socket(self) -> socket.socket:
        settings = self._offer.settings
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=BACKLOG,
            reuse_port=settings.reuse_port,
        )

    async def _accept(self, listener: socket.socket, bridge: Bridge) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:
                # Out of descriptors, or a connection that was gone before it was taken: neither ends the listener.
                log.warning("connection not taken", scp=self.name, error=type(error).__name__, errno=error.errno)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            settings = self._offer.settings
            if len(self._open) >= settings.max_associations + UNHEARD_MAX:
                connection.close()
                continue
            pdus = PduSocket(connection, settings.max_pdu, settings.network_timeout_s)
            association = Association(pdus, str(address[0]), self._offer, self._places, bridge)
            thread = threading.Thread(target=self._serve, args=(association,), name=self.name, daemon=True)
            self._open[thread] = association
            thread.start()

    def _serve(self, association: Association) -> None:
        name = self.name
        outcome = Outcome.ABORTED
        with metrics.OPEN.labels(name).track_inprogress():
            try:
                outcome = association.serve()
            finally:
                self._open.pop(threading.current_thread(), None)
                metrics.ASSOCIATIONS.labels(name, outcome).inc()

    async def _drain(self) -> None:
        for association in list(self._open.values()):
            association.end()
        await asyncio.to_thread(self._join, self._offer.settings.drain_s)
        for association in list(self._open.values()):
            log.warning("association cut off at stop", scp=self.name)
            association.cut()
        await asyncio.to_thread(self._join, CUT_S)

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for thread in list(self._open):
            thread.join(max(0.0, deadline - time.monotonic()))

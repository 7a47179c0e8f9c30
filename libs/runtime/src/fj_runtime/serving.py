"""A process at work: its parts, its HTTP server, its end."""

import asyncio
import faulthandler
import gc
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fj_runtime.actor import install_actor
from fj_runtime.errors import NotReachable, PartFailed
from fj_runtime.health import probes
from fj_runtime.http import api as bare_api
from fj_runtime.parts import Health, Part
from fj_runtime.settings import ServiceSettings, service_name

GRACE_SECONDS: Final = 15.0
_CANCEL_SECONDS: Final = 5.0
_HTTP_DRAIN_SECONDS: Final = 10
_CONNECTIONS_MAX: Final = 1024
# Longer than a gateway keeps an idle connection (Caddy: 2 minutes): the one that sends must be the one that closes.
_KEEP_ALIVE_SECONDS: Final = 150
_PROBING: Final = frozenset({"GET", "HEAD"})
_log = structlog.get_logger("fj_runtime.serving")


async def serve(
    settings: ServiceSettings,
    parts: Sequence[Part],
    api: FastAPI | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Run the parts and one HTTP server until SIGTERM or SIGINT, then give them `grace_seconds` to drain.

    The server answers `/health/live`, `/health/ready`, `/metrics` and the routes of `api`. When a part raises, or
    ends by itself, the others are stopped in the same way and PartFailed is raised. A route that streams without an
    end watches `request.app.state.stopping` (an asyncio.Event), so that the stop need not wait for it.
    """
    stop = asyncio.Event()
    door = _Door(settings, api if api is not None else bare_api(service_name(settings)), parts, stop)
    team = [_Watched(part, stop) for part in (*parts, door)]
    # What is imported and built lives as long as the process. To look through these 100,000 objects for garbage again
    # and again stops everything for 50 to 100 ms each time.
    gc.collect()
    gc.freeze()
    with _signals(stop):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(member.run(), name=member.name) for member in team]
            _log.info("serving", host=settings.http_host, port=settings.http_port, count=len(parts))
            await stop.wait()
            await _drain(tasks, grace_seconds)
    failed = [member.failure for member in team if member.failure is not None]
    if failed:
        raise failed[0]
    _log.info("stopped")


async def _drain(tasks: Sequence[asyncio.Task[None]], grace_seconds: float) -> None:
    # A thread that blocks for ever would outlive any cancellation: past all graces the process ends itself.
    faulthandler.dump_traceback_later(grace_seconds + _CANCEL_SECONDS, exit=True)
    try:
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in late:
            _log.error("part did not stop in time", part=task.get_name(), seconds=grace_seconds)
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_SECONDS)
    finally:
        faulthandler.cancel_dump_traceback_later()


class _Watched:
    """Runs one part; its failure stops the process."""

    def __init__(self, part: Part, stop: asyncio.Event) -> None:
        self.name = part.name
        self.failure: PartFailed | None = None
        self._part = part
        self._stop = stop

    async def run(self) -> None:
        try:
            await self._part.run(self._stop)
            if not self._stop.is_set():
                self._fail(PartFailed(f"part {self.name} ended before it was told to"))
        except Exception as error:  # noqa: BLE001 - whatever ends a part ends the process, in order
            failure = PartFailed(f"part {self.name} failed: {type(error).__qualname__}")
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, failure: PartFailed) -> None:
        self.failure = failure
        _log.error("part failed", part=self.name, exc_info=failure)
        self._stop.set()


class _Door:
    """The HTTP server as a part."""

    name = "http"

    def __init__(self, settings: ServiceSettings, api: FastAPI, parts: Sequence[Part], stop: asyncio.Event) -> None:
        install_actor(api, settings)
        api.state.stopping = stop
        self._socket = _listen(settings.http_host, settings.http_port)
        self._server = _Server(
            uvicorn.Config(
                _front(probes(parts, stop), api),
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_CONNECTIONS_MAX,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                proxy_headers=False,  # who is behind a proxy is judged where it matters, by the doorkeeper
                timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
            )
        )

    async def run(self, stop: asyncio.Event) -> None:
        serving = asyncio.create_task(self._server.serve([self._socket]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            self._server.should_exit = True
            await serving
        finally:
            stopping.cancel()
            serving.cancel()

    def health(self) -> Health:
        return Health(ok=self._server.started)


def _front(probes: Sequence[Route], api: ASGIApp) -> ASGIApp:
    """The probes, and apart from them the rest: what is asked for most passes nothing that is there for them."""
    probing, paths = Starlette(routes=probes), {route.path for route in probes}

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        await (probing if scope["path"] in paths and scope["method"] in _PROBING else api)(scope, receive, send)

    return front


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals stop the whole process, not only its HTTP side


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise NotReachable(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

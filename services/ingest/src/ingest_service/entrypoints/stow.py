"""STOW-RS (PS3.18 section 10.5): instances over HTTP into the journal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from fj_events import Source
from fj_runtime import MachineActor, Problem
from python_multipart.multipart import parse_options_header

from ingest_service.domain.reception import NotAccepted, Origin, Reason
from ingest_service.entrypoints import stow_answer
from ingest_service.entrypoints.metrics import RECEIVED, REFUSED
from ingest_service.entrypoints.multipart import StowReader
from ingest_service.entrypoints.part import Part, PartResult
from ingest_service.entrypoints.storable import Storable
from ingest_service.ports import Journal

T = TypeVar("T")
ROOT: Final = "/dicomweb"
DICOM_JSON: Final = "application/dicom+json"
ACCEPTABLE: Final = frozenset(("", "*/*", "application/*", "application/json", DICOM_JSON))
GATHERED: Final = 1024 * 1024
"""Bytes that are handed to the disk's thread at once."""
RETRY_AFTER_S: Final = "10"
UNBOUNDED: Final = 2**62
"""For the framework: the bound is kept here, where what was stored before it is answered for."""

StudyUid = Annotated[str, Path(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]


def stow_router(journal: Journal, storable: Storable, site: str, bytes_max: int) -> APIRouter:
    """`POST /dicomweb/studies[/{study}]`. `site` is that of whoever sends over HTTP; bodies are bounded."""
    router = APIRouter()
    door = _Door(journal, storable, site, bytes_max)

    @router.post(f"{ROOT}/studies", max_body_size=UNBOUNDED)
    async def store(request: Request, actor: MachineActor) -> JSONResponse:
        return await door.store(request, actor, None)

    @router.post(f"{ROOT}/studies/{{study}}", max_body_size=UNBOUNDED)
    async def store_in_study(request: Request, actor: MachineActor, study: StudyUid) -> JSONResponse:
        return await door.store(request, actor, study)

    return router


class _Door:
    def __init__(self, journal: Journal, storable: Storable, site: str, bytes_max: int) -> None:
        self._journal = journal
        self._storable = storable
        self._site = site
        self._bytes_max = bytes_max

    async def store(self, request: Request, actor: str | None, study: str | None) -> JSONResponse:
        """Read the body to its end, keep what can be kept, say what became of each part."""
        boundary = _boundary(request)
        self._check_bounds(request)
        writer = self._journal.writer(Origin(Source.DICOMWEB, self._site, actor=actor))
        reader = StowReader(boundary, partial(Part, writer, self._storable, study))
        try:
            await self._read(request, reader)
        finally:
            await _steadily(reader.abandon)
            await _steadily(writer.close)
        if not reader.results:
            raise Problem(400, "The body has no part")
        return _answer(request, reader.results)

    def _check_bounds(self, request: Request) -> None:
        try:
            self._journal.check_room()
        except NotAccepted as refusal:
            raise Problem(503, refusal.comment, {"Retry-After": RETRY_AFTER_S}) from refusal
        if int(request.headers.get("content-length", "0")) > self._bytes_max:
            raise Problem(413, f"The body is larger than {self._bytes_max} bytes")

    async def _read(self, request: Request, reader: StowReader) -> None:
        size = 0
        useful = True
        async for block in _gathered(request.stream()):
            size += len(block)
            if size > self._bytes_max:
                reader.stop(NotAccepted(Reason.OUT_OF_RESOURCES, f"body larger than {self._bytes_max} bytes"))
                return
            useful = useful and await _steadily(reader.feed, block)
        reader.stop(NotAccepted(Reason.NOT_UNDERSTOOD, "the body ends inside this part"))


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/related" or options.get(b"type", b"application/dicom").lower() != b"application/dicom":
        raise Problem(415, 'Only multipart/related; type="application/dicom" is stored here')
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046 5.1.1
        raise Problem(400, "The Content-Type names no boundary of 1 to 70 characters")
    accepted = {entry.split(";")[0].strip().lower() for entry in request.headers.get("accept", "").split(",")}
    if not accepted & ACCEPTABLE:
        raise Problem(406, f"The answer is {DICOM_JSON}")
    return boundary


async def _gathered(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer, larger blocks."""
    block = bytearray()
    async for piece in stream:
        block += piece
        if len(block) >= GATHERED:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


async def _steadily(call: Callable[..., T], *arguments: object) -> T:
    """Run in a thread, and wait for its end also when the request is cancelled: nothing may overtake it."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _answer(request: Request, results: list[PartResult]) -> JSONResponse:
    for result in results:
        if result.refusal is None:
            RECEIVED.labels(Source.DICOMWEB).inc()
        else:
            REFUSED.labels(Source.DICOMWEB, result.refusal.reason).inc()
    status = stow_answer.status_of(results)
    headers = {"Retry-After": RETRY_AFTER_S} if status == stow_answer.BUSY else {}
    if (warning := stow_answer.warning(results)) is not None:
        headers["Warning"] = warning
    root = f"{request.base_url}".rstrip("/") + ROOT
    return JSONResponse(stow_answer.payload(results, root), status, headers, DICOM_JSON)

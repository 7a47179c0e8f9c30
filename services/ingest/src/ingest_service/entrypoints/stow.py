"""STOW-RS (PS3.18 section 10.5): instances over HTTP into the journal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from fj_events import Source
from fj_packs.pack import Origin
from fj_runtime import MachineActor, Problem
from python_multipart.multipart import parse_options_header

from ingest_service.domain.reception import NotAccepted, Reason
from ingest_service.entrypoints import stow_answer
from ingest_service.entrypoints.bulk import Spool
from ingest_service.entrypoints.described import DICOM_JSON, DICOM_XML, DescribedBody
from ingest_service.entrypoints.metrics import RECEIVED, REFUSED
from ingest_service.entrypoints.multipart import Body, MultipartBody, SinglePart
from ingest_service.entrypoints.part import APPLICATION_DICOM, Part, PartResult
from ingest_service.entrypoints.storable import Storable
from ingest_service.ports import Journal, Writer

T = TypeVar("T")
ROOT: Final = "/dicomweb"
ACCEPTABLE: Final = frozenset(("", "*/*", "application/*", "application/json", DICOM_JSON))
STORED_HERE: Final = (APPLICATION_DICOM, DICOM_JSON.encode(), DICOM_XML.encode())
GATHERED: Final = 1024 * 1024
"""Bytes that are handed to the disk's thread at once."""
RETRY_AFTER_S: Final = "10"
UNBOUNDED: Final = 2**62
"""For the framework: the bound is kept here, where what was stored before it is answered for."""

StudyUid = Annotated[str, InPath(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may take, and where."""

    bytes_max: int
    """Of its body."""
    folder: Path
    """On whose disk bulk data waits for the rest of its request."""


def stow_router(journal: Journal, storable: Storable, site: str, bounds: Bounds) -> APIRouter:
    """`POST /dicomweb/studies[/{study}]`. `site` is that of whoever sends over HTTP; bodies are bounded."""
    router = APIRouter()
    door = _Door(journal, storable, site, bounds)

    @router.post(f"{ROOT}/studies", max_body_size=UNBOUNDED)
    async def store(request: Request, actor: MachineActor) -> Response:
        return await door.store(request, actor, None)

    @router.post(f"{ROOT}/studies/{{study}}", max_body_size=UNBOUNDED)
    async def store_in_study(request: Request, actor: MachineActor, study: StudyUid) -> Response:
        return await door.store(request, actor, study)

    return router


class _Door:
    def __init__(self, journal: Journal, storable: Storable, site: str, bounds: Bounds) -> None:
        self._journal = journal
        self._storable = storable
        self._site = site
        self._bytes_max = bounds.bytes_max
        self._folder = bounds.folder

    async def store(self, request: Request, actor: str | None, study: str | None) -> Response:
        """Read the body to its end, keep what can be kept, say what became of each part."""
        kind, boundary = _content(request)
        answer_in = _answered_in(request)
        self._check_bounds(request)
        writer = self._journal.writer(Origin(Source.DICOMWEB, self._site, actor=actor))
        reader = self._reader(request, writer, kind, boundary, study)
        try:
            await self._read(request, reader)
        finally:
            await _steadily(reader.abandon)
            await _steadily(writer.close)
        if not reader.results:
            raise Problem(400, "The body has no instance")
        return _answer(request, reader.results, answer_in)

    def _reader(self, request: Request, writer: Writer, kind: bytes, boundary: bytes | None, study: str | None) -> Body:
        new_part = partial(Part, writer, self._storable, study)
        if boundary is None:
            return SinglePart(new_part())
        if kind == APPLICATION_DICOM:
            return MultipartBody(boundary, new_part)
        return DescribedBody(boundary, Spool(self._folder, str(request.url)), writer, self._storable, study)

    def _check_bounds(self, request: Request) -> None:
        try:
            self._journal.check_room()
        except NotAccepted as refusal:
            raise Problem(503, refusal.comment, {"Retry-After": RETRY_AFTER_S}) from refusal
        if int(request.headers.get("content-length", "0")) > self._bytes_max:
            raise Problem(413, f"The body is larger than {self._bytes_max} bytes")

    async def _read(self, request: Request, reader: Body) -> None:
        size = 0
        useful = True
        async for block in _gathered(request.stream()):
            size += len(block)
            if size > self._bytes_max:
                reader.stop(NotAccepted(Reason.OUT_OF_RESOURCES, f"body larger than {self._bytes_max} bytes"))
                return
            useful = useful and await _steadily(reader.feed, block)
        await _steadily(reader.end)


def _content(request: Request) -> tuple[bytes, bytes | None]:
    """What the body is of, and what stands between its parts; None where it is one file. Raises Problem."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "The body has a content encoding; send it as it is", {"Accept-Encoding": "identity"})
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == APPLICATION_DICOM:
        return kind, None
    of = options.get(b"type", APPLICATION_DICOM).lower()
    if kind != b"multipart/related" or of not in STORED_HERE:
        offered = ", ".join(f'multipart/related; type="{one.decode()}"' for one in STORED_HERE)
        raise Problem(415, f"Stored here: application/dicom; {offered}")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046 5.1.1
        raise Problem(400, "The Content-Type names no boundary of 1 to 70 characters")
    return of, boundary


def _answered_in(request: Request) -> str:
    """The media type of the answer: JSON unless only XML will do. Raises Problem."""
    accepted = {entry.split(";")[0].strip().lower() for entry in request.headers.get("accept", "").split(",")}
    if accepted & ACCEPTABLE:
        return DICOM_JSON
    if accepted & {DICOM_XML, "application/xml"}:
        return DICOM_XML
    raise Problem(406, f"The answer is {DICOM_JSON} or {DICOM_XML}")


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


def _answer(request: Request, results: list[PartResult], media_type: str) -> Response:
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
    payload = stow_answer.payload(results, root)
    if media_type == DICOM_XML:
        return Response(stow_answer.as_xml(payload), status, headers, DICOM_XML)
    return JSONResponse(payload, status, headers, DICOM_JSON)

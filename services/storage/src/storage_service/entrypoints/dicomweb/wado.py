"""WADO-RS: retrieving studies, series, instances, metadata, frames and bulk data (PS3.18 section 10.4)."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from fastapi import APIRouter, Request
from fj_runtime import Problem
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from storage_service.domain.errors import NotConverted
from storage_service.domain.metadata import with_base
from storage_service.domain.retrieval import Octets, Series, Stored, in_storage_order
from storage_service.entrypoints.dicomweb.answers import base_url
from storage_service.entrypoints.dicomweb.choices import (
    Form,
    choose_description,
    choose_file,
    choose_frames,
    choose_octets,
)
from storage_service.entrypoints.dicomweb.conditions import REVALIDATED, Cut, asked_cut, not_modified, tag, validated
from storage_service.entrypoints.dicomweb.multipart import Body, Part, nothing, sending, sending_cut, telling
from storage_service.entrypoints.dicomweb.native_model import to_xml
from storage_service.entrypoints.dicomweb.negotiation import JSON, XML, accepted_by, accepts_gzip
from storage_service.entrypoints.dicomweb.refusals import begun, refusing
from storage_service.entrypoints.dicomweb.stored import address, frame_numbers, parts_of, place, send_stored
from storage_service.entrypoints.sight import Sight
from storage_service.ports.index import Index
from storage_service.ports.objects import Files, Metadata, Packs, Pixels

_METHODS: Final = ["GET", "HEAD"]
_UIDS: Final = ("0020000D", "0020000E", "00080018")
_LEVELS: Final = ("study", "series", "instance")
_ROOT: Final = "/dicomweb"
_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What retrieving needs."""

    sight: Sight[Request, Index]
    """Who may see what."""
    packs: Packs
    pixels: Pixels
    files: Files
    metadata: Metadata


def retrieval_router(retrieval: Retrieval) -> APIRouter:
    """All resources of WADO-RS but the rendered ones and those of `frequent_routes`."""
    router = APIRouter(prefix=_ROOT, tags=["WADO-RS"])
    _parts(router, retrieval)
    _files(router, retrieval)
    _descriptions(router, retrieval)
    return router


def _files(router: APIRouter, retrieval: Retrieval) -> None:
    @router.api_route(_STUDY, methods=_METHODS)
    async def study(request: Request, study: str) -> Response:
        return await _send_files(request, await (await retrieval.sight.of(request)).instances(study), retrieval)

    @router.api_route(_SERIES, methods=_METHODS)
    async def series(request: Request, study: str, series: str) -> Response:
        return await _send_files(request, await (await retrieval.sight.of(request)).instances(study, series), retrieval)


def _descriptions(router: APIRouter, retrieval: Retrieval) -> None:
    @router.api_route(_STUDY + "/metadata", methods=_METHODS)
    async def study(request: Request, study: str) -> Response:
        form = choose_description(accepted_by(request), single=False)
        found = await (await retrieval.sight.of(request)).series(study)
        return await _send_metadata(request, form, found, retrieval.metadata)

    @router.api_route(_SERIES + "/metadata", methods=_METHODS)
    async def series(request: Request, study: str, series: str) -> Response:
        form = choose_description(accepted_by(request), single=False)
        found = await (await retrieval.sight.of(request)).series(study, series)
        return await _send_metadata(request, form, found, retrieval.metadata)

    @router.api_route(_INSTANCE + "/metadata", methods=_METHODS)
    async def instance(request: Request, study: str, series: str, instance: str) -> Response:
        form = choose_description(accepted_by(request), single=True)
        stored = await _one(await retrieval.sight.of(request), study, series, instance)
        base = base_url(request)
        etag = tag(base, form, place(stored))
        if known := not_modified(request, etag):
            return known
        with refusing():
            described = with_base(await retrieval.metadata.of_instance(stored), base)
        if form.media_type == JSON:
            return Response(described, media_type=JSON, headers=validated(etag))
        parts = [Part(XML, None, f"{address(request, stored)}/metadata")]
        return await sending(request, form, parts, etag, _counted(_once(to_xml(json.loads(described)[0]))))


def _parts(router: APIRouter, retrieval: Retrieval) -> None:
    @router.api_route(_INSTANCE + "/bulkdata/{path:path}", methods=_METHODS)
    async def bulk_data(request: Request, study: str, series: str, instance: str, path: str) -> Response:
        stored = await _one(await retrieval.sight.of(request), study, series, instance)
        return await _send_bulk_data(request, stored, path, retrieval)


def frequent_routes(retrieval: Retrieval) -> list[Route]:
    """Instances and frames, of which thousands are asked for at once."""

    async def instance(request: Request) -> Response:
        found = await (await retrieval.sight.of(request)).instances(*map(request.path_params.__getitem__, _LEVELS))
        return await _send_files(request, found, retrieval, single=True)

    async def frames(request: Request) -> Response:
        numbers = frame_numbers(request.path_params["frames"])
        stored = await _one(await retrieval.sight.of(request), *map(request.path_params.__getitem__, _LEVELS))
        return await _send_frames(request, stored, numbers, retrieval)

    return [
        Route(_ROOT + _INSTANCE, instance, methods=_METHODS),
        Route(_ROOT + _INSTANCE + "/frames/{frames}", frames, methods=_METHODS),
    ]


async def _one(index: Index, study: str, series: str, instance: str) -> Stored:
    found = await index.instances(study, series, instance)
    if not found:
        raise Problem(404, "There is no such instance")
    return found[0]


async def _send_files(request: Request, found: list[Stored], retrieval: Retrieval, *, single: bool = False) -> Response:
    if not found:
        raise Problem(404, "There is no such instance" if single else "There is no such study or series")
    syntaxes = {stored.transfer_syntax_uid for stored in found}
    form = choose_file(accepted_by(request), syntaxes, retrieval.files.convertible, single=single)
    order = in_storage_order(found)
    etag = tag(base_url(request), form, *map(place, order))
    if form.transfer_syntax and form.converted:
        made = _converted(retrieval, order, form.transfer_syntax)
        return await sending(request, form, parts_of(request, form, order), etag, made)
    return await send_stored(request, form, order, etag, retrieval.packs)


async def _send_metadata(request: Request, form: Form, found: Sequence[Series], metadata: Metadata) -> Response:
    if not found:
        raise Problem(404, "There is no such study or series")
    base = base_url(request)
    if form.media_type == XML:
        return await telling(request, form, _xml_tag(base, found), _documents(found, metadata, base))
    if not all(series.described for series in found):
        arrays = nothing() if request.method == "HEAD" else await begun(_arrays(found, metadata, base))
        return StreamingResponse(arrays, media_type=JSON, headers=REVALIDATED)
    packed = accepts_gzip(request)
    etag = tag(base, packed, *map(_state, found))
    headers = {**validated(etag), "Vary": "Accept-Encoding"}
    if known := not_modified(request, etag):
        return known
    if packed:
        with refusing():
            described = await metadata.packed(found, base)
        return Response(described, media_type=JSON, headers={**headers, "Content-Encoding": "gzip"})
    arrays = nothing() if request.method == "HEAD" else await begun(_arrays(found, metadata, base))
    return StreamingResponse(arrays, media_type=JSON, headers=headers)


async def _send_frames(request: Request, stored: Stored, numbers: list[int] | None, retrieval: Retrieval) -> Response:
    accepted = accepted_by(request)
    with refusing():
        frames = await retrieval.pixels.frames(stored, numbers)
    form = choose_frames(
        accepted,
        stored.transfer_syntax_uid,
        retrieval.files.convertible,
        encapsulated=frames.encapsulated,
        single=len(frames.sizes) == 1,
    )
    where = address(request, stored)
    shown = numbers or range(1, len(frames.sizes) + 1)
    parts = [
        Part(form.content_type, None if form.converted else size, f"{where}/frames/{number}")
        for number, size in zip(shown, frames.sizes, strict=True)
    ]
    etag = tag(base_url(request), form, numbers, place(stored))
    if form.transfer_syntax and form.converted:
        made = retrieval.files.frames(stored, list(shown), form.transfer_syntax)
        return await sending(request, form, parts, etag, _counted(made))
    if not form.multipart and (cut := asked_cut(request, etag, frames.sizes[0])):
        return await sending_cut(form, cut, etag, _cut(frames.data, cut))
    return await sending(request, form, parts, etag, _counted(frames.data))


async def _send_bulk_data(request: Request, stored: Stored, path: str, retrieval: Retrieval) -> Response:
    form = choose_octets(accepted_by(request))
    steps = path.strip("/").split("/")
    if steps[0].upper() in {"7FE00008", "7FE00009", "7FE00010"}:
        return await _send_frames(request, stored, None, retrieval)
    with refusing():
        value = await retrieval.pixels.element(stored, steps)
    part = Part(form.media_type, len(value), f"{address(request, stored)}/bulkdata/{path}")
    etag = tag(base_url(request), form, path, place(stored))
    if not form.multipart and (cut := asked_cut(request, etag, len(value))):
        return await sending_cut(form, cut, etag, _cut(_once(value), cut))
    return await sending(request, form, [part], etag, _counted(_once(value)))


async def _converted(retrieval: Retrieval, order: Sequence[Stored], wanted: str) -> AsyncGenerator[Body, None]:
    """One after the other; of those that are stored so already nothing is held in memory."""
    for number, stored in enumerate(order):
        if stored.transfer_syntax_uid == wanted:
            async with aclosing(retrieval.packs.stream([stored])) as pieces:
                async for _, left, piece in pieces:
                    yield number, left, piece
            continue
        data = await retrieval.files.file(stored, wanted)
        if data is None:
            raise NotConverted(f"It is stored as {stored.transfer_syntax_uid} and cannot be had as {wanted}")
        yield number, 0, data


async def _counted(frames: AsyncGenerator[Octets, None]) -> AsyncGenerator[Body, None]:
    number = 0
    async for frame in frames:
        yield number, 0, frame
        number += 1


async def _once(value: bytes) -> AsyncGenerator[Octets, None]:
    yield value


async def _cut(frames: AsyncGenerator[Octets, None], cut: Cut) -> AsyncGenerator[Octets, None]:
    """Of the only frame."""
    async for frame in frames:
        yield frame[cut.offset : cut.offset + cut.length]


async def _arrays(found: Sequence[Series], metadata: Metadata, base: str) -> AsyncGenerator[bytes, None]:
    """One array out of those of all series."""
    separator = b"["
    for series in found:
        described = with_base(await metadata.of_series(series), base)
        yield separator + described[1:-1]
        separator = b","
    yield b"]"


def _state(series: Series) -> tuple[object, ...]:
    return series.described, series.coercion and series.coercion.at


def _xml_tag(base: str, found: Sequence[Series]) -> str:
    """What is not described yet is another answer each time."""
    complete = all(series.described for series in found)
    return tag(base, XML, *map(_state, found)) if complete else uuid4().hex


async def _documents(
    found: Sequence[Series], metadata: Metadata, base: str
) -> AsyncGenerator[tuple[Part, Octets], None]:
    """The instances of one series after the other, each as XML."""
    for series in found:
        described = with_base(await metadata.of_series(series), base)
        for part in await asyncio.to_thread(_as_parts, described, base):
            yield part


def _as_parts(described: bytes, base: str) -> list[tuple[Part, Octets]]:
    parts: list[tuple[Part, Octets]] = []
    for instance in json.loads(described):
        study, series, own = (instance[uid]["Value"][0] for uid in _UIDS)
        data = to_xml(instance)
        parts.append((Part(XML, len(data), f"{base}/studies/{study}/series/{series}/instances/{own}/metadata"), data))
    return parts

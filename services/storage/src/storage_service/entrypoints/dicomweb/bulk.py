"""WADO-RS: all bulk data of a study, a series or an instance (PS3.18 section 10.4.3.3.5)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from fastapi import APIRouter, Request
from fj_runtime import Problem
from starlette.responses import Response

from storage_service.domain.errors import NoSuchPart, Unreadable
from storage_service.domain.retrieval import Octets, Stored, in_storage_order
from storage_service.entrypoints.dicomweb.answers import base_url
from storage_service.entrypoints.dicomweb.choices import Form, choose_frames, is_encapsulated
from storage_service.entrypoints.dicomweb.conditions import tag
from storage_service.entrypoints.dicomweb.multipart import Part, telling
from storage_service.entrypoints.dicomweb.negotiation import OCTETS, accepted_by
from storage_service.entrypoints.dicomweb.stored import address, place
from storage_service.entrypoints.dicomweb.wado import Retrieval

_METHODS: Final = ["GET", "HEAD"]
_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"


def bulk_router(retrieval: Retrieval) -> APIRouter:
    """What the metadata of each level has addresses of, together."""
    router = APIRouter(prefix="/dicomweb", tags=["WADO-RS"])

    @router.api_route(_STUDY + "/bulkdata", methods=_METHODS)
    async def study(request: Request, study: str) -> Response:
        return await _send(request, await (await retrieval.sight.of(request)).instances(study), retrieval)

    @router.api_route(_SERIES + "/bulkdata", methods=_METHODS)
    async def series(request: Request, study: str, series: str) -> Response:
        return await _send(request, await (await retrieval.sight.of(request)).instances(study, series), retrieval)

    @router.api_route(_INSTANCE + "/bulkdata", methods=_METHODS)
    async def instance(request: Request, study: str, series: str, instance: str) -> Response:
        found = await (await retrieval.sight.of(request)).instances(study, series, instance)
        return await _send(request, found, retrieval)

    return router


async def _send(request: Request, found: list[Stored], retrieval: Retrieval) -> Response:
    if not found:
        raise Problem(404, "There is no such study, series or instance")
    accepted = accepted_by(request)
    if not any(one.covers_parts(OCTETS) for one in accepted):
        raise Problem(406, f"Bulk data of several elements is offered in multipart/related of {OCTETS}")
    convertible = retrieval.files.convertible
    forms = {
        syntax: choose_frames(accepted, syntax, convertible, encapsulated=is_encapsulated(syntax), single=False)
        for syntax in sorted({stored.transfer_syntax_uid for stored in found})
    }
    order = in_storage_order(found)
    etag = tag(base_url(request), "bulk data", forms, *map(place, order))
    parts = _parts(retrieval, [(stored, address(request, stored)) for stored in order], forms)
    return await telling(request, Form(OCTETS, None, multipart=True), etag, parts)


async def _parts(
    retrieval: Retrieval, order: Sequence[tuple[Stored, str]], forms: Mapping[str, Form]
) -> AsyncGenerator[tuple[Part, Octets], None]:
    """Element by element, frame by frame; raises NoSuchPart, Unreadable where there is nothing at all.

    What cannot be taken apart has none: its metadata names none either.
    """
    none = True
    refused: NoSuchPart | Unreadable = NoSuchPart("there is no bulk data")
    for stored, where in order:
        try:
            async with aclosing(_of_one(retrieval, stored, where, forms[stored.transfer_syntax_uid])) as found:
                async for part, data in found:
                    none = False
                    yield part, data
        except (NoSuchPart, Unreadable) as reason:
            refused = reason
    if none:
        raise refused


async def _of_one(
    retrieval: Retrieval, stored: Stored, where: str, form: Form
) -> AsyncGenerator[tuple[Part, Octets], None]:
    values, pixels = await retrieval.pixels.bulk(stored)
    for path, value in values:
        yield Part(OCTETS, len(value), f"{where}/bulkdata/{path}"), value
    if pixels is None:
        return
    frames = await retrieval.pixels.frames(stored, None)
    numbers = range(1, len(frames.sizes) + 1)
    data: AsyncGenerator[Octets, None] = frames.data
    if form.converted and form.transfer_syntax:
        data = retrieval.files.frames(stored, numbers, form.transfer_syntax)
    number = 0
    async with aclosing(data) as pieces:
        async for frame in pieces:
            number += 1
            location = f"{where}/bulkdata/{pixels}" if len(numbers) == 1 else f"{where}/frames/{number}"
            yield Part(form.content_type, len(frame), location), frame

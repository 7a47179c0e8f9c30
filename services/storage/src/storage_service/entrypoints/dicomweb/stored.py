"""What the answers about stored instances have in common, and their files: streamed, by range where it is one alone."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import Request
from fj_runtime import Problem
from starlette.responses import Response

from storage_service.domain.retrieval import Stored
from storage_service.entrypoints.dicomweb.answers import base_url
from storage_service.entrypoints.dicomweb.choices import Form
from storage_service.entrypoints.dicomweb.conditions import asked_cut
from storage_service.entrypoints.dicomweb.multipart import Body, Part, sending, sending_cut
from storage_service.entrypoints.dicomweb.refusals import refusing
from storage_service.ports.objects import Packs


async def send_stored(request: Request, form: Form, order: Sequence[Stored], etag: str, packs: Packs) -> Response:
    """The answer of these files, in storage order, each in the transfer syntax in which it is stored."""
    if not form.multipart and "range" in request.headers:
        with refusing():
            length = await packs.length(order[0])
        if cut := asked_cut(request, etag, length):
            return await sending_cut(form, cut, etag, packs.cut(order[0], cut.offset, cut.length))
    return await sending(request, form, parts_of(request, form, order), etag, _pieces(packs, order))


def parts_of(request: Request, form: Form, order: Sequence[Stored]) -> list[Part]:
    """Files as parts; the length of one that is made shows only then."""
    return [_part(form, stored, address(request, stored)) for stored in order]


def place(stored: Stored) -> tuple[object, ...]:
    """What an entity tag says of an instance. What lies there never changes; what is said instead may."""
    return stored.bucket, stored.pack, stored.offset, stored.length, stored.coercion and stored.coercion.at


def address(request: Request, stored: Stored) -> str:
    """Of an instance, as the client sees it."""
    return (
        f"{base_url(request)}/studies/{stored.study_instance_uid}/series/{stored.series_instance_uid}"
        f"/instances/{stored.sop_instance_uid}"
    )


def _part(form: Form, stored: Stored, location: str) -> Part:
    syntax = form.transfer_syntax if form.converted else stored.transfer_syntax_uid
    length = None if form.converted or stored.coercion else stored.length
    return Part(f"{form.media_type}; transfer-syntax={syntax}", length, location)


def frame_numbers(text: str) -> list[int]:
    """Of a path. Raises Problem 400."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 9 and int(part) for part in parts):
        raise Problem(400, "Frames are a list of numbers from 1, separated by commas")
    return [int(part) for part in parts]


async def _pieces(packs: Packs, order: Sequence[Stored]) -> AsyncGenerator[Body, None]:
    """Pieces of files by the numbers of their parts."""
    number = 0
    async with aclosing(packs.stream(order)) as pieces:
        async for stored, left, data in pieces:
            while order[number] is not stored:
                number += 1
            yield number, left, data

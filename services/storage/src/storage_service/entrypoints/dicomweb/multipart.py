"""multipart/related answers (RFC 2387, PS3.18 section 8.6.1.2), where it can be with their length known beforehand."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from storage_service.domain.retrieval import Octets
from storage_service.entrypoints.dicomweb.choices import Form
from storage_service.entrypoints.dicomweb.conditions import Cut, not_modified, validated
from storage_service.entrypoints.dicomweb.refusals import begun

AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes up to which an answer is sent in one piece, which costs much less than a stream; longer ones are streamed."""

Body: TypeAlias = tuple[int, int, Octets]
"""Number of a part, how many of its bytes are left after these, and these."""

_NONE: Final[tuple[bytes, ...]] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one part is."""

    content_type: str
    length: int | None
    """None: it shows when its first bytes are there."""
    location: str


async def sending(
    request: Request, form: Form, parts: Sequence[Part], etag: str, bodies: AsyncGenerator[Body, None]
) -> Response:
    """The answer of these parts. `bodies`: some bytes of a part, the parts in their order.

    Nothing is read where the client has it already, or asks for the head alone.
    """
    known = not_modified(request, etag)
    if known is not None:
        return known
    frame = _Frame(form, parts, etag)
    headers = {**frame.headers, **validated(etag)}
    if not form.multipart and not form.converted:
        headers["Accept-Ranges"] = "bytes"
    if request.method == "HEAD":
        return Response(headers=headers) if frame.length is not None else StreamingResponse(nothing(), headers=headers)
    pieces = frame.around(await begun(bodies))
    if frame.length is None or frame.length > AT_ONCE:
        return StreamingResponse(pieces, headers=headers)
    return _AtOnce([piece async for piece in pieces], headers)


async def sending_cut(form: Form, cut: Cut, etag: str, pieces: AsyncGenerator[Octets, None]) -> Response:
    """Some bytes of the only part (206)."""
    headers = {"Content-Type": form.content_type, **cut.headers, **validated(etag)}
    return StreamingResponse(await begun(pieces), status_code=206, headers=headers)


async def telling(request: Request, form: Form, etag: str, told: AsyncGenerator[tuple[Part, Octets], None]) -> Response:
    """The answer of parts that show one after the other, each with all of its bytes."""
    known = not_modified(request, etag)
    if known is not None:
        return known
    headers = {"Content-Type": _together(form, etag), **validated(etag)}
    if request.method == "HEAD":
        return StreamingResponse(nothing(), headers=headers)
    parts = await begun(told)

    async def around() -> AsyncIterator[Octets]:
        async for part, data in parts:
            yield _head(part, etag)
            yield data
        yield _tail(etag)

    return StreamingResponse(around(), headers=headers)


def listing(form: Form, parts: Sequence[tuple[Part, bytes]], boundary: str) -> Response:
    """The answer of parts that are all there."""
    pieces = (piece for part, data in parts for piece in (_head(part, boundary), data))
    return Response(b"".join((*pieces, _tail(boundary))), headers={"Content-Type": _together(form, boundary)})


async def nothing() -> AsyncIterator[bytes]:
    """The body of an answer to HEAD whose length is not known."""
    for piece in _NONE:
        yield piece


class _Frame:
    """What stands around the bytes of the parts."""

    def __init__(self, form: Form, parts: Sequence[Part], boundary: str) -> None:
        self._form = form
        self._parts = parts
        self._boundary = boundary
        self._tail = _tail(boundary) if form.multipart else b""
        lengths = [part.length for part in parts if part.length is not None]
        self.length: int | None = None
        self.headers = {"Content-Type": _together(form, boundary)}
        if len(lengths) == len(parts):
            self.length = sum(lengths) + sum(len(self._head(part)) for part in parts) + len(self._tail)
            self.headers["Content-Length"] = str(self.length)

    async def around(self, bodies: AsyncIterator[Body]) -> AsyncIterator[Octets]:
        current = -1
        async for number, left, data in bodies:
            if number != current:
                current = number
                yield self._head(replace(self._parts[number], length=len(data) + left))
            yield data
        yield self._tail

    def _head(self, part: Part) -> bytes:
        return _head(part, self._boundary) if self._form.multipart else b""


class _AtOnce(Response):
    """An answer of which all is there: piece by piece, as joining large ones costs more than sending several."""

    def __init__(self, pieces: Sequence[Octets], headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self._pieces = [piece for piece in pieces if piece] or [b""]

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for number, piece in enumerate(self._pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(self._pieces)})


def _together(form: Form, boundary: str) -> str:
    if not form.multipart:
        return form.content_type
    return f'multipart/related; type="{form.media_type}"; boundary={boundary}'


def _head(part: Part, boundary: str) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {part.content_type}\r\nContent-Length: {part.length}\r\n"
        f"Content-Location: {part.location}\r\n\r\n"
    ).encode()


def _tail(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode()

"""multipart/related answers (RFC 2387, PS3.18 section 8.6.1.2), with their length known beforehand."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from starlette.responses import Response, StreamingResponse

from storage_service.entrypoints.dicomweb.choices import Form

AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes up to which an answer is sent in one piece, which costs much less than a stream; longer ones are streamed."""

_NONE: Final[tuple[bytes, ...]] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one part is."""

    content_type: str
    length: int
    location: str


async def sending(form: Form, parts: Sequence[Part], bodies: AsyncIterator[tuple[int, bytes]]) -> Response:
    """The answer of these parts. `bodies`: the number of a part and some of its bytes, the parts in their order."""
    frame = _Frame(form, parts)
    if frame.length <= AT_ONCE:
        pieces = [piece async for piece in frame.around(bodies)]
        return Response(b"".join(pieces), headers=frame.headers)
    return StreamingResponse(frame.around(bodies), headers=frame.headers)


def heading(form: Form, parts: Sequence[Part]) -> Response:
    """The head of that answer alone (HEAD)."""
    return Response(headers=_Frame(form, parts).headers)


def making(form: Form, parts: Sequence[Part], bodies: AsyncIterator[bytes]) -> Response:
    """The answer of parts whose length shows only when they are made; each of `bodies` is one, whole."""
    boundary = uuid4().hex

    async def around() -> AsyncIterator[bytes]:
        place = 0
        async for body in bodies:
            yield _head(replace(parts[place], length=len(body)), boundary) if form.multipart else b""
            yield body
            place += 1
        yield f"\r\n--{boundary}--\r\n".encode() if form.multipart else b""

    return StreamingResponse(around(), headers={"Content-Type": _together(form, boundary)})


async def nothing() -> AsyncIterator[bytes]:
    """The body of an answer to HEAD whose length is not known."""
    for piece in _NONE:
        yield piece


class _Frame:
    """What stands around the bytes of the parts."""

    def __init__(self, form: Form, parts: Sequence[Part]) -> None:
        boundary = uuid4().hex
        self._multipart = form.multipart
        self._heads = [_head(part, boundary) if form.multipart else b"" for part in parts]
        self._tail = f"\r\n--{boundary}--\r\n".encode() if form.multipart else b""
        self.length = sum(map(len, self._heads)) + sum(part.length for part in parts) + len(self._tail)
        self.headers = {
            "Content-Type": _together(form, boundary),
            "Content-Length": str(self.length),
        }

    async def around(self, bodies: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[bytes]:
        current = -1
        async for number, data in bodies:
            if number != current:
                current = number
                yield self._heads[number]
            yield data
        yield self._tail


def _together(form: Form, boundary: str) -> str:
    if not form.multipart:
        return form.content_type
    return f'multipart/related; type="{form.media_type}"; boundary={boundary}'


def _head(part: Part, boundary: str) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {part.content_type}\r\nContent-Length: {part.length}\r\n"
        f"Content-Location: {part.location}\r\n\r\n"
    ).encode()

"""Conditional and range requests (RFC 9110 sections 13 and 14)."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fj_runtime import Problem
from starlette.responses import Response

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
REVALIDATED: Final = {"Cache-Control": "private, no-cache"}
"""Kept by the client alone, and asked about each time: what somebody may see, and who may, can change."""


def tag(*parts: object) -> str:
    """The entity tag of what these parts decide on. What is stored never changes: its place stands for its bytes."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def validated(etag: str) -> dict[str, str]:
    """Headers of an answer that can be asked about again."""
    return {"ETag": f'"{etag}"', **REVALIDATED}


def not_modified(request: Request, etag: str) -> Response | None:
    """The answer to a client that has it already."""
    header = request.headers.get("if-none-match")
    if header is None or not (header.strip() == "*" or f'"{etag}"' in _tags(header)):
        return None
    return Response(status_code=304, headers=validated(etag))


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes of a representation."""

    offset: int
    length: int
    whole: int

    @property
    def headers(self) -> dict[str, str]:
        last = self.offset + self.length - 1
        return {"Content-Range": f"bytes {self.offset}-{last}/{self.whole}", "Content-Length": str(self.length)}


def asked_cut(request: Request, etag: str, whole: int) -> Cut | None:
    """What of so many bytes is asked for; None for all of them, or where the client has them already.

    Raises Problem 416 where there are none.
    """
    if not_modified(request, etag):
        return None  # that is asked first: RFC 9110 13.2.2
    header = request.headers.get("range")
    condition = request.headers.get("if-range")
    found = _RANGE.fullmatch(header.replace(" ", "")) if header and request.method == "GET" else None
    if found is None or not any(found.groups()) or condition not in {None, f'"{etag}"'}:
        return None  # several ranges, or units that nobody knows, may be left aside: RFC 9110 14.2
    first, last = found.groups()
    begin = int(first) if first else max(whole - int(last), 0)
    end = min(int(last) + 1, whole) if first and last else whole
    if begin >= end:
        raise Problem(416, f"It has {whole} bytes", {"Content-Range": f"bytes */{whole}"})
    return Cut(begin, end - begin, whole)


def _tags(header: str) -> Iterable[str]:
    return (part.strip().removeprefix("W/") for part in header.split(","))

"""What a client accepts (PS3.18 section 8.7; RFC 9110 section 12.5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import Final

from fastapi import Request
from fj_runtime import Problem

JSON: Final = "application/dicom+json"
XML: Final = "application/dicom+xml"
DICOM: Final = "application/dicom"
OCTETS: Final = "application/octet-stream"
MULTIPART: Final = "multipart/related"
ANY_SYNTAX: Final = "*"
REMEMBERED: Final = 1024
"""Characters of a header up to which it is remembered how it is understood."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One alternative of an Accept header."""

    type: str
    """`type/subtype`, lower case, either or both may be `*`."""
    part: str | None
    """The type parameter of multipart/related: what the parts are."""
    transfer_syntax: str | None
    quality: float

    def covers(self, media_type: str) -> bool:
        """Whether a media type, without parameters, is acceptable by this alternative."""
        return _covers(self.type, media_type)

    def covers_parts(self, media_type: str) -> bool:
        """Whether multipart/related of this media type is acceptable by this alternative."""
        return self.covers(MULTIPART) and (self.part is None or _covers(self.part, media_type))


class BadAccept(Exception):
    """The header cannot be read."""


def alternatives(header: str | None, parameters: Sequence[str] = ()) -> list[MediaRange]:
    """What is accepted, the preferred first; a query parameter `accept` counts before the header (PS3.18 8.3.3.1).

    Nothing said is anything accepted. Raises BadAccept.
    """
    texts = (*parameters, header or "")
    read = _read_anew if sum(map(len, texts)) > REMEMBERED else _read
    return list(read(texts))


def accepted_by(request: Request) -> list[MediaRange]:
    """What the client of a request accepts. Raises Problem 400 where the header cannot be read."""
    try:
        return alternatives(request.headers.get("accept"), request.query_params.getlist("accept"))
    except BadAccept:
        raise Problem(400, "The Accept header cannot be read") from None


def accepts_gzip(request: Request) -> bool:
    """Whether the answer may be in gzip (RFC 9110 section 12.5.3). Pixels never are: they would not become smaller."""
    for text in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, parameters = text.replace(" ", "").partition(";")
        if coding in {"gzip", "*"}:
            return parameters not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _read_anew(texts: tuple[str, ...]) -> tuple[MediaRange, ...]:
    ranges = [_range(text) for whole in texts for text in _split(whole)]
    wanted = [accepted for accepted in ranges if accepted.quality > 0]
    return tuple(sorted(wanted or [MediaRange("*/*", None, None, 1)], key=lambda accepted: -accepted.quality))


# Clients ask in few ways, thousands of times; to read one costs more than to look an instance up.
_read: Final = lru_cache(maxsize=256)(_read_anew)


def _covers(pattern: str, media_type: str) -> bool:
    kind, _, _ = media_type.partition("/")
    return pattern in {"*/*", f"{kind}/*", media_type}


def _range(text: str) -> MediaRange:
    message = Message()
    message["content-type"] = text
    kind = text.partition(";")[0].strip().lower()
    if kind.count("/") != 1:
        raise BadAccept
    part = message.get_param("type")
    syntax = message.get_param("transfer-syntax")
    try:
        quality = float(str(message.get_param("q") or "1"))
    except ValueError:
        raise BadAccept from None
    return MediaRange(kind, str(part).lower() if part else None, str(syntax) if syntax else None, quality)


def _split(header: str) -> list[str]:
    """At commas that stand outside of quotes."""
    parts, quoted, begin = [], False, 0
    for place, character in enumerate(header):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append(header[begin:place])
            begin = place + 1
    parts.append(header[begin:])
    return [part.strip() for part in parts if part.strip()]

"""The body of a STOW-RS request as it arrives: one part or many (PS3.18 section 10.5.1, RFC 2387)."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from ingest_service.domain.reception import NotAccepted, Reason
from ingest_service.entrypoints.part import Part, PartResult

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class BodyPart(Protocol[R_co]):
    """Takes one part of a body."""

    def header(self, name: bytes, value: bytes) -> None:
        """One of its headers, the name in lower case."""

    def write(self, data: memoryview) -> None:
        """Its next bytes."""

    def finish(self) -> R_co:
        """It is complete: what became of it."""

    def refuse(self, refusal: NotAccepted) -> R_co:
        """It will not be completed."""

    def abandon(self) -> None:
        """Keep nothing."""


class Body(Protocol):
    """Takes a body piece by piece, puts what is in it into the journal, remembers what became of it."""

    results: list[PartResult]

    def feed(self, data: bytes) -> bool:
        """The next bytes of the body. False when the rest of it is of no use."""

    def end(self) -> None:
        """The body is complete."""

    def stop(self, refusal: NotAccepted) -> None:
        """No more bytes are taken; what is not complete is refused for this reason."""

    def abandon(self) -> None:
        """Nobody waits for an answer any more."""


class SinglePart:
    """A body that is one Part 10 file."""

    def __init__(self, part: Part) -> None:
        self.results: list[PartResult] = []
        self._part = part
        self._empty = True

    def feed(self, data: bytes) -> bool:
        """See `Body.feed`."""
        self._empty = False
        self._part.write(memoryview(data))
        return True

    def end(self) -> None:
        """See `Body.end`."""
        if not self._empty:
            self.results.append(self._part.finish())

    def stop(self, refusal: NotAccepted) -> None:
        """See `Body.stop`."""
        self.results.append(self._part.refuse(refusal))

    def abandon(self) -> None:
        """See `Body.abandon`."""
        if not self.results:
            self._part.abandon()


class MultipartBody(Generic[R]):
    """Takes the body piece by piece, gives each part its bytes, remembers what became of it."""

    def __init__(self, boundary: bytes, new_part: Callable[[], BodyPart[R]]) -> None:
        self.results: list[R] = []
        self._new_part = new_part
        self._part: BodyPart[R] | None = None
        self._name, self._value = b"", b""
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._last,
            },
        )

    def feed(self, data: bytes) -> bool:
        """The next bytes of the body. False when the rest of it is of no use."""
        if self._ended:
            return False
        try:
            self._parser.write(data)
        except MultipartParseError:
            self._break(NotAccepted(Reason.NOT_UNDERSTOOD, "the multipart body is malformed here"))
        return not self._ended

    def end(self) -> None:
        """See `Body.end`."""
        self.stop(NotAccepted(Reason.NOT_UNDERSTOOD, "the body ends inside this part"))

    def stop(self, refusal: NotAccepted) -> None:
        """See `Body.stop`."""
        if not self._ended:
            self._break(refusal)

    def abandon(self) -> None:
        """Nobody waits for an answer any more."""
        if self._part is not None:
            self._part.abandon()

    def _break(self, refusal: NotAccepted) -> None:
        self._ended = True
        part, self._part = self._part, None
        if part is not None:
            self.results.append(part.refuse(refusal))

    def _begin(self) -> None:
        self._part = self._new_part()
        self._name, self._value = b"", b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        name, value = self._name.strip().lower(), self._value.strip()
        self._name, self._value = b"", b""
        if self._part is not None:
            self._part.header(name, value)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.write(memoryview(data)[start:end])

    def _end(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            self.results.append(part.finish())

    def _last(self) -> None:
        self._ended = True

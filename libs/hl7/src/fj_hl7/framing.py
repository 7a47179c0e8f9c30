"""MLLP framing: VT, the message, FS CR (HL7 v2.5.1 Implementation Guide app. C, "Minimal Lower Layer Protocol")."""

import re
from typing import Final

VT: Final = b"\x0b"
END: Final = b"\x1c\r"

_FS: Final = b"\x1c"
# CR belongs after FS; LF, or the next frame at once, are taken too. FS before anything else is content.
_END_MARK: Final = re.compile(rb"\x1c(?:[\r\n]|(?=\x0b))")
_RESTART: Final = re.compile(rb"\x0b(?=MSH|FHS|BHS)")
_HEAD: Final = 64 * 1024
_BETWEEN: Final = b"\r\n"


def frame(content: bytes) -> bytes:
    """The content between its marks."""
    return VT + content + END


class Framer:
    """Cuts a stream of bytes into frames and finds the next one after garbage.

    `skipped` counts the bytes that belonged to no complete frame. A frame that begins anew before it ended (VT MSH)
    was given up by its sender: only the new one counts. A frame over `limit` bytes ends the reading: `too_long` is its
    beginning then, and no more frames come.
    """

    __slots__ = ("_buffer", "_inside", "_limit", "_scanned", "skipped", "too_long")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._inside = False
        self._scanned = 0
        self.skipped = 0
        self.too_long: bytes | None = None

    @property
    def inside(self) -> bool:
        """A frame has begun and not ended."""
        return self._inside

    @property
    def waits_for_cr(self) -> bool:
        """All that is missing is the CR after FS, which some senders never send: see `close`."""
        return self._inside and self._buffer.endswith(_FS)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes."""
        frames: list[bytes] = []
        if self.too_long is not None:
            return frames
        self._buffer += data
        while self._begin():
            end = _END_MARK.search(self._buffer, self._scanned)
            if end is None:
                self._scanned = max(len(self._buffer) - 1, 0)
            if (len(self._buffer) if end is None else end.start()) > self._limit:
                self.too_long = bytes(self._buffer[:_HEAD])
                self._buffer.clear()
                self._inside = False
                break
            if end is None:
                break
            frames.append(self._take(end.start(), end.end()))
        return frames

    def close(self) -> bytes:
        """The frame that `waits_for_cr`, taken as it is."""
        return self._take(len(self._buffer) - 1, len(self._buffer))

    def _begin(self) -> bool:
        if self._inside:
            return True
        start = self._buffer.find(VT)
        garbage = self._buffer if start < 0 else self._buffer[:start]
        self.skipped += len(garbage.translate(None, _BETWEEN))
        del self._buffer[: len(garbage) + 1]
        self._inside = start >= 0
        self._scanned = 0
        return self._inside

    def _take(self, end: int, after: int) -> bytes:
        content = bytes(self._buffer[:end])
        del self._buffer[:after]
        self._inside = False
        self._scanned = 0
        return self._content(content)

    def _content(self, content: bytes) -> bytes:
        if VT not in content:
            return content
        *given_up, last = _RESTART.split(content)
        self.skipped += sum(map(len, given_up))
        return last

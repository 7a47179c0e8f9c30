"""Whole PDUs from and to a socket (PS3.8 section 9.3), without the 40 ms that Nagle and delayed ACK cost each other."""

import mmap
import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Final

from fj_dicom.errors import AssociationLost, ProtocolBroken

A_ASSOCIATE_RQ: Final = 0x01
A_ASSOCIATE_AC: Final = 0x02
A_ASSOCIATE_RJ: Final = 0x03
P_DATA_TF: Final = 0x04
A_RELEASE_RQ: Final = 0x05
A_ABORT: Final = 0x07
A_RELEASE: Final = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
A_RELEASE_RP: Final = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"

UNEXPECTED_PDU: Final = 2
INVALID_PARAMETER_VALUE: Final = 6

COMMAND: Final = 0x01
LAST: Final = 0x02

_HEADER: Final = Struct(">BxI")
_PDV: Final = Struct(">IBB")
_SINGLE: Final = Struct(">BxIIBB")
"""The headers of a P-DATA-TF with one fragment, as nearly all are."""
_TIMEVAL: Final = Struct("@ll")
FINISH_S: Final = 1.0
_TIMER_SLACK_S: Final = 0.05
"""The kernel's timer may be early by a tick."""
PARTS_MAX: Final = 1024
"""Of one sendmsg (IOV_MAX of Linux)."""
REQUEST_LENGTH_MAX: Final = 512 * 1024
"""128 presentation contexts with every known transfer syntax are 240 KiB."""
BUFFER: Final = 1024 * 1024
"""Of each connection: several PDUs are taken at once where they have come already."""
_OWN: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

Fragment = tuple[int, int, memoryview]
"""A presentation data value: context id, message control header, data."""


class PduSocket:
    """One connection. Reading blocks the calling thread, at most as long as `silence` says.

    System calls are few, because each of them lets go of the interpreter lock and has to win it back.
    """

    def __init__(self, connection: socket.socket, max_pdu: int, send_timeout_s: float = 60.0) -> None:
        self._socket = connection
        self._max_length = max(max_pdu, REQUEST_LENGTH_MAX)
        # Pages of the system's: they cost nothing before something comes, and can be given back while nothing does.
        self._pages = mmap.mmap(-1, max(BUFFER, self._max_length + _HEADER.size), flags=_OWN)
        self._buffer = memoryview(self._pages)
        self._start = self._end = 0
        """Of what was received and not read yet."""
        self._patience = 0.0
        self._timer: float | None = None
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(send_timeout_s))

    def silence(self, seconds: float) -> None:
        """How long the peer may stay silent from now on before it counts as lost."""
        self._patience = seconds
        # The kernel's own timer: a Python timeout would cost a poll before each receive. It is the shortest that was
        # asked for so far, and one that is longer waits for several of them.
        if self._timer is None or seconds < self._timer:
            self._timer = seconds
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))

    def read(self) -> tuple[int, memoryview]:
        """The next PDU's type and body; the body is valid until the next call. Raises AssociationLost."""
        if self._end - self._start < _HEADER.size:
            self._receive(_HEADER.size)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if length > self._max_length:
            raise ProtocolBroken(f"PDU of {length} bytes, at most {self._max_length} are allowed", UNEXPECTED_PDU)
        if self._end - self._start < _HEADER.size + length:
            self._receive(_HEADER.size + length)
        body = self._start + _HEADER.size
        self._start = body + length
        return kind, self._buffer[body : self._start]

    def send(self, data: bytes | bytearray) -> None:
        """Send all of it in one go. Raises AssociationLost."""
        try:
            self._socket.sendall(data)
            # What comes next is acknowledged at once: the option does not outlast what we send.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except OSError as reason:
            raise AssociationLost(f"cannot send: {type(reason).__name__}") from reason

    def at_hand(self) -> list[Fragment]:
        """The data of P-DATA-TF PDUs that are here as a whole, up to the first with more than one fragment.

        Nothing is received: they are valid as long as what `read` gave out before. Empty where `read` has to be asked.
        """
        found: list[Fragment] = []
        buffer, start, end = self._buffer, self._start, self._end
        while end - start >= _SINGLE.size:
            kind, length, inner, context_id, control = _SINGLE.unpack_from(buffer, start)
            after = start + _HEADER.size + length
            if kind != P_DATA_TF or inner != length - 4 or inner < 2 or after > end or length > self._max_length:
                break
            found.append((context_id, control, buffer[start + _SINGLE.size : after]))
            start = after
        self._start = start
        return found

    def send_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send all of them, copied by nobody but the system. Raises AssociationLost."""
        try:
            for start in range(0, len(parts), PARTS_MAX):
                batch = parts[start : start + PARTS_MAX]
                sent = self._socket.sendmsg(batch)
                if sent < sum(map(len, batch)):  # rare: a signal came, or the time limit of the socket
                    self._socket.sendall(memoryview(b"".join(batch))[sent:])
        except OSError as reason:
            raise AssociationLost(f"cannot send: {type(reason).__name__}") from reason

    def has_input(self) -> bool:
        """Whether the peer has sent something that was not read yet."""
        if self._end > self._start:
            return True
        ready, _, _ = select.select([self._socket], [], [], 0)
        return bool(ready)

    def stop_reading(self) -> None:
        """Make the thread that reads see the end of the connection. For another thread to call."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the peer was quicker

    def close(self) -> None:
        """Close the connection. What was sent is still delivered, unless the peer has sent what was not read."""
        self._socket.close()

    def finish(self) -> None:
        """Our last PDU is sent: let the peer close, for a moment, lest what it still sends destroys that PDU."""
        deadline = time.monotonic() + FINISH_S
        try:
            self._socket.shutdown(socket.SHUT_WR)
            self.silence(FINISH_S)
            while self._socket.recv_into(self._buffer) and time.monotonic() < deadline:
                pass
        except OSError:
            return  # closed or silent: both will do

    def _receive(self, needed: int) -> None:
        """Until so many bytes wait to be read; takes whatever has come, as far as there is room."""
        if self._start + needed > len(self._buffer) or self._start == self._end:
            rest = self._end - self._start
            self._buffer[:rest] = self._buffer[self._start : self._end]
            self._start, self._end = 0, rest
        while self._end - self._start < needed:
            self._end += self._receive_some(self._buffer[self._end :])

    def _receive_some(self, room: memoryview) -> int:
        begun = time.monotonic()
        while True:
            try:
                received = self._socket.recv_into(room)
            except BlockingIOError:
                if not self._end:  # between two PDUs
                    self._pages.madvise(mmap.MADV_DONTNEED)
                if time.monotonic() - begun < self._patience - _TIMER_SLACK_S:
                    continue
                raise AssociationLost("the peer fell silent") from None
            except OSError as reason:
                raise AssociationLost(f"cannot receive: {type(reason).__name__}") from reason
            if not received:
                raise AssociationLost("the peer closed the connection")
            return received


def _timeval(seconds: float) -> bytes:
    return _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))


def fragments(body: memoryview) -> list[Fragment]:
    """The presentation data values of a P-DATA-TF body, at least one (PS3.8 9.3.5, Annex E). Raises ProtocolBroken."""
    found: list[Fragment] = []
    position = 0
    if not body:
        raise ProtocolBroken("P-DATA-TF without a presentation data value", INVALID_PARAMETER_VALUE)
    while position < len(body):
        if position + _PDV.size > len(body):
            raise ProtocolBroken("P-DATA-TF ends inside an item header", INVALID_PARAMETER_VALUE)
        length, context_id, control = _PDV.unpack_from(body, position)
        end = position + 4 + length
        if length < 2 or end > len(body):
            raise ProtocolBroken("a presentation data value does not fit its PDU", INVALID_PARAMETER_VALUE)
        found.append((context_id, control, body[position + _PDV.size : end]))
        position = end
    return found


def p_data(context_id: int, control: int, data: bytes, max_pdu: int) -> Iterator[bytes]:
    """P-DATA-TF PDUs with one fragment each, none longer than `max_pdu`."""
    room = max_pdu - _PDV.size
    for start in range(0, max(1, len(data)), room):
        piece = data[start : start + room]
        last = LAST if start + room >= len(data) else 0
        yield (
            _HEADER.pack(P_DATA_TF, _PDV.size + len(piece))
            + _PDV.pack(len(piece) + 2, context_id, control | last)
            + piece
        )


def pieces(context_id: int, data: Iterable[bytes | memoryview], max_pdu: int) -> Iterator[bytes | memoryview]:
    """A data set in P-DATA-TF PDUs as headers and slices of what is given: nothing is copied but odd ends.

    A fragment has an even number of bytes (PS3.8 section 9.3.1), however the data set was cut before.
    """
    room = (max_pdu - _PDV.size) & ~1
    full = _HEADER.pack(P_DATA_TF, _PDV.size + room) + _PDV.pack(room + 2, context_id, 0)
    rest: bytes | memoryview = b""
    for piece in data:
        view = memoryview(b"".join((rest, piece)) if rest else piece)
        place = 0
        while len(view) - place > room:
            yield full
            yield view[place : place + room]
            place += room
        rest = view[place:]
    yield _HEADER.pack(P_DATA_TF, _PDV.size + len(rest)) + _PDV.pack(len(rest) + 2, context_id, LAST)
    yield rest


def a_abort(source: int, reason: int) -> bytes:
    """An A-ABORT PDU; source 0 is the service user, 2 the provider (PS3.8 9.3.8)."""
    return _HEADER.pack(A_ABORT, 4) + bytes((0, 0, source, reason))

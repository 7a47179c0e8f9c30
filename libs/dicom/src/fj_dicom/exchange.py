"""DIMSE messages over an established association (PS3.7 section 6.3, PS3.8 Annex E)."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fj_dicom import pdu
from fj_dicom.command import Command
from fj_dicom.errors import AssociationLost, ProtocolBroken

COMMAND_SET_MAX: Final = 64 * 1024
TOGETHER: Final = 1024 * 1024
"""Of a data set that is sent, so many bytes are handed to the system at once."""


class Released(Exception):
    """The peer asked for an orderly end, between two messages."""


class Exchange:
    """Reads commands and the data sets that follow them, writes answers."""

    def __init__(self, connection: pdu.PduSocket, contexts: Mapping[int, tuple[str, str]], max_pdu: int) -> None:
        self.contexts = contexts
        self._connection = connection
        self._max_pdu = max_pdu
        self._waiting: deque[pdu.Fragment] = deque()
        """Of PDUs that were read, and not looked at yet."""
        self._out = bytearray()

    def next_command(self) -> tuple[int, Command]:
        """Context id and command of the next message. Raises Released, AssociationLost."""
        context_id, encoded = self.next_command_set()
        return context_id, Command.decode(encoded)

    def next_command_set(self) -> tuple[int, bytes]:
        """Context id and encoded command set of the next message. Raises Released, AssociationLost."""
        collected = bytearray()
        inside = False
        while True:
            if not self._waiting:
                self._read(inside=inside)
            context_id, control, fragment = self._waiting.popleft()
            if not control & pdu.COMMAND or context_id not in self.contexts:
                raise ProtocolBroken("a data set without its command, or a context that was not accepted", 6)
            inside = True
            collected += fragment
            if len(collected) > COMMAND_SET_MAX:
                raise ProtocolBroken(f"command set longer than {COMMAND_SET_MAX} bytes", 6)
            if control & pdu.LAST:
                return context_id, bytes(collected)

    def data(self, context_id: int) -> Iterator[list[memoryview]]:
        """The data set that follows, all fragments together that have come; valid until the next ones are taken."""
        together: list[memoryview] = []
        while True:
            if not self._waiting:
                self._waiting.extend(self._connection.at_hand())
            if not self._waiting:
                if together:
                    yield together
                    together = []
                self._read(inside=True)
            received_id, control, fragment = self._waiting.popleft()
            if control & pdu.COMMAND or received_id != context_id:
                raise ProtocolBroken("a data set was interrupted by another message", 6)
            together.append(fragment)
            if control & pdu.LAST:
                yield together
                return

    def put(self, context_id: int, command: bytes, data: bytes = b"") -> int:
        """Add a message to what the next flush sends in one go. Returns the bytes that wait."""
        for fragment in pdu.p_data(context_id, pdu.COMMAND, command, self._max_pdu):
            self._out += fragment
        if data:
            for fragment in pdu.p_data(context_id, 0, data, self._max_pdu):
                self._out += fragment
        return len(self._out)

    def stream(self, context_id: int, command: bytes, data: Iterable[bytes | memoryview]) -> None:
        """Send a message whose data set comes in pieces, with what waits before it. Raises AssociationLost."""
        self.put(context_id, command)
        parts: list[bytes | memoryview] = [bytes(self._out)]
        self._out.clear()
        length = 0
        for part in pdu.pieces(context_id, data, self._max_pdu):
            parts.append(part)
            length += len(part)
            if length >= TOGETHER:
                self._connection.send_parts(parts)
                parts, length = [], 0
        self._connection.send_parts(parts)

    def flush(self) -> None:
        """Send what waits, as one segment where it fits. Raises AssociationLost."""
        self._connection.send(self._out)
        self._out.clear()

    def has_input(self) -> bool:
        """Whether the peer has begun to send something else."""
        return bool(self._waiting) or self._connection.has_input()

    def _read(self, *, inside: bool) -> None:
        """The fragments of the next PDU; `inside`: a message has begun."""
        kind, body = self._connection.read()
        if kind == pdu.P_DATA_TF:
            self._waiting.extend(pdu.fragments(body))
        elif kind == pdu.A_ABORT:
            raise AssociationLost("aborted by the peer")
        elif kind == pdu.A_RELEASE_RQ and not inside:
            raise Released
        else:
            raise ProtocolBroken(f"PDU of type {kind:#04x} where none is expected", pdu.UNEXPECTED_PDU)

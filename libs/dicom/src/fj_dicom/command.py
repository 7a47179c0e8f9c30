"""The command set of a DIMSE message (PS3.7 section 6.3, Annex E): always implicit VR little endian."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from fj_dicom.errors import ProtocolBroken
from fj_dicom.status import Status

INVALID_PARAMETER_VALUE: Final = 6
"""A-ABORT reason (PS3.8 table 9-26)."""

NO_DATA_SET: Final = 0x0101
WITH_DATA_SET: Final = 0x0001
RESPONSE: Final = 0x8000

_ELEMENT: Final = Struct("<HHI")
_US: Final = Struct("<H")
_UL: Final = Struct("<I")


class CommandField(IntEnum):
    """(0000,0100); a response has bit 15 set too."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


_ON_KNOWN_INSTANCES: Final = frozenset(
    {CommandField.N_GET, CommandField.N_SET, CommandField.N_ACTION, CommandField.N_DELETE}
)


@dataclass(frozen=True, slots=True)
class Command:
    """A request's command set. A C-CANCEL names the cancelled message in `message_id`."""

    field: int
    message_id: int
    sop_class_uid: str
    """Affected or Requested SOP Class UID."""
    sop_instance_uid: str
    """Affected or Requested SOP Instance UID; empty where the request has none."""
    has_data_set: bool
    action_type: int | None
    """Action Type ID (0000,1008)."""
    move_destination: str

    @classmethod
    def decode(cls, data: bytes) -> "Command":
        """Raises ProtocolBroken when it is no command set."""
        elements = _elements(data)
        field = _number(elements, 0x0100)
        cancel = field == CommandField.C_CANCEL
        message_id = _number(elements, 0x0120 if cancel else 0x0110)
        data_set_type = _number(elements, 0x0800)
        if field is None or message_id is None or data_set_type is None:
            raise ProtocolBroken("command set lacks (0000,0100), (0000,0110) or (0000,0800)", INVALID_PARAMETER_VALUE)
        return cls(
            field=field,
            message_id=message_id,
            sop_class_uid=_text(elements, 0x0002) or _text(elements, 0x0003),
            sop_instance_uid=_text(elements, 0x1000) or _text(elements, 0x1001),
            has_data_set=data_set_type != NO_DATA_SET,
            action_type=_number(elements, 0x1008),
            move_destination=_text(elements, 0x0600),
        )

    def response(
        self,
        status: Status,
        *,
        data_set: bool = False,
        sop_instance_uid: str | None = None,
        counts: "Counts | None" = None,
    ) -> bytes:
        """The encoded command set that answers this request."""
        instance = self.sop_instance_uid if sop_instance_uid is None else sop_instance_uid
        elements = [
            (0x0002, _uid(self.sop_class_uid)),
            (0x0100, _US.pack(self.field | RESPONSE)),
            (0x0120, _US.pack(self.message_id)),
            (0x0800, _US.pack(WITH_DATA_SET if data_set else NO_DATA_SET)),
            (0x0900, _US.pack(status.code)),
        ]
        if status.offending:
            elements.append(
                (0x0901, b"".join(_US.pack(tag >> 16) + _US.pack(tag & 0xFFFF) for tag in status.offending))
            )
        if status.error_comment:
            elements.append((0x0902, _even(status.error_comment.encode(), b" ")))
        if status.error_id is not None:
            elements.append((0x0903, _US.pack(status.error_id)))
        if instance:
            elements.append((0x1000, _uid(instance)))
        if self.action_type is not None:
            elements.append((0x1008, _US.pack(self.action_type)))
        if counts is not None:
            elements += counts.elements()
        return _encoded(elements)


@dataclass(frozen=True, slots=True)
class Counts:
    """Sub-operations of a C-GET or C-MOVE (PS3.7 sections 9.1.3.1, 9.1.4.1)."""

    remaining: int | None
    """None where the answer is final."""
    completed: int
    failed: int
    warning: int

    def elements(self) -> list[tuple[int, bytes]]:
        """(0000,1020) to (0000,1023); a count above what fits there stays at its limit."""
        counts = (self.remaining, self.completed, self.failed, self.warning)
        return [
            (element, _US.pack(min(count, 0xFFFF))) for element, count in enumerate(counts, 0x1020) if count is not None
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A request that we make, as SCU."""

    field: CommandField
    sop_class_uid: str
    sop_instance_uid: str = ""
    has_data_set: bool = False
    priority: int | None = None
    event_type: int | None = None
    """Event Type ID (0000,1002)."""
    move_originator: tuple[str, int] | None = None
    """AE title and message id of the C-MOVE that this C-STORE belongs to."""

    def encode(self, message_id: int) -> bytes:
        """The encoded command set."""
        # Affected SOP class and instance, but Requested ones where the instance is the peer's (PS3.7 Annex E).
        class_uid, instance_uid = (0x0003, 0x1001) if self.field in _ON_KNOWN_INSTANCES else (0x0002, 0x1000)
        elements = [
            (class_uid, _uid(self.sop_class_uid)),
            (0x0100, _US.pack(self.field)),
            (0x0110, _US.pack(message_id)),
        ]
        if self.priority is not None:
            elements.append((0x0700, _US.pack(self.priority)))
        elements.append((0x0800, _US.pack(WITH_DATA_SET if self.has_data_set else NO_DATA_SET)))
        if self.sop_instance_uid:
            elements.append((instance_uid, _uid(self.sop_instance_uid)))
        if self.event_type is not None:
            elements.append((0x1002, _US.pack(self.event_type)))
        if self.move_originator is not None:
            title, number = self.move_originator
            elements += [(0x1030, _even(title.encode("ascii", "replace"), b" ")), (0x1031, _US.pack(number))]
        return _encoded(elements)


@dataclass(frozen=True, slots=True)
class Response:
    """The command set of an answer to us."""

    field: int
    """Of the request that it answers."""
    message_id: int
    """Of the request that it answers."""
    status: Status
    has_data_set: bool

    @classmethod
    def decode(cls, data: bytes) -> "Response | None":
        """None where it is a request. Raises ProtocolBroken when it is no command set."""
        elements = _elements(data)
        field, data_set_type = _number(elements, 0x0100), _number(elements, 0x0800)
        if field is None or data_set_type is None:
            raise ProtocolBroken("command set lacks (0000,0100) or (0000,0800)", INVALID_PARAMETER_VALUE)
        if not field & RESPONSE:
            return None
        message_id, status = _number(elements, 0x0120), _number(elements, 0x0900)
        if message_id is None or status is None:
            raise ProtocolBroken("an answer lacks (0000,0120) or (0000,0900)", INVALID_PARAMETER_VALUE)
        answered = Status(status, _text(elements, 0x0902), error_id=_number(elements, 0x0903))
        return cls(field & ~RESPONSE, message_id, answered, data_set_type != NO_DATA_SET)


def _encoded(elements: Iterable[tuple[int, bytes]]) -> bytes:
    body = b"".join(_ELEMENT.pack(0, element, len(value)) + value for element, value in elements)
    return _ELEMENT.pack(0, 0, 4) + _UL.pack(len(body)) + body


def _elements(data: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        if position + _ELEMENT.size > len(data):
            raise ProtocolBroken("command set ends inside an element", INVALID_PARAMETER_VALUE)
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0 or position + length > len(data):
            raise ProtocolBroken("command set has a foreign group or ends inside a value", INVALID_PARAMETER_VALUE)
        elements[element] = data[position : position + length]
        position += length
    return elements


def _number(elements: dict[int, bytes], element: int) -> int | None:
    value = elements.get(element, b"")
    return int(_US.unpack(value)[0]) if len(value) == _US.size else None


def _text(elements: dict[int, bytes], element: int) -> str:
    return elements.get(element, b"").decode("ascii", "replace").strip("\0 ")


def _uid(value: str) -> bytes:
    return _even(value.encode("ascii", "replace"), b"\0")


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value

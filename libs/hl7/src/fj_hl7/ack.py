"""Acknowledgements: what is answered to a message (HL7 v2.5.1 ch. 2.9.2, 2.15.8 MSA, 2.15.5 ERR)."""

import itertools
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from fj_hl7.delimiters import escape
from fj_hl7.dtm import write_dtm
from fj_hl7.errors import ERROR_TEXTS, AckCode, BadMessage, CommitCode, ErrorCode, Hl7Error, Severity
from fj_hl7.message import Message
from fj_hl7.segment import Segment

APPLICATION: Final = "FILMJACKET"
_OUR_VERSION: Final = "2.5.1"
_MAX_TEXT: Final = 200
_HEADER: Final = re.compile(rb"MSH[^\r\n]*")
_CONTROLS: Final = re.compile(r"[\x00-\x1a\x1c-\x1f]")  # ESC stays: it may belong to the character set

# Requests that have a reply type of their own; all others are answered ACK with the trigger of the request.
_REPLIES: Final = {
    "ORM^O01": ("ORR", "O02"),
    "OMG^O19": ("ORG", "O20"),
    "OMI^O23": ("ORI", "O24"),
    "OML^O21": ("ORL", "O22"),
}
_ids: Final = itertools.count(1)
_ID_PREFIX: Final = secrets.token_hex(5).upper()


def new_control_id() -> str:
    """An MSH-10 that no other process or run of ours uses, at most 20 characters (v2.3)."""
    return f"{_ID_PREFIX}{next(_ids)}"


def ack(
    message: Message, code: AckCode | CommitCode, *errors: Hl7Error, text: str = "", reply: Sequence[Sequence[str]] = ()
) -> bytes:
    """The answer to `message`: its reply type, sender and receiver swapped, its control id, version and character set.

    The type of an accept acknowledgement (CA, CE, CR) is always ACK.
    The errors stand in ERR in the form of the sender's version (2.5 and later ERR-2 to ERR-8, before that ERR-1), and
    the first of them in MSA-3, which is all that old senders look at. `reply`: the raw fields of segments behind them.
    """
    header, delimiters = message.header, message.delimiters
    version = _version(message.version)
    field = delimiters.field
    said = text or (errors[0].text if errors else "")
    head = [
        f"MSH{field}{header.raw(2)}",
        _copied(header.raw(5)) or APPLICATION,
        _copied(header.raw(6)),
        _copied(header.raw(3)),
        _copied(header.raw(4)),
        _written(int(time.time())),
        "",
        _reply_type(message, version, code),
        new_control_id(),
        _copied(header.raw(11)) or "P",
        _copied(header.raw(12)) or _OUR_VERSION,
        *[""] * 5,
        _copied(header.raw(18)),
    ]
    msa = ["MSA", code, message.control_id]
    if said and version < (2, 7):
        msa.append(escape(said[:_MAX_TEXT], delimiters))
    lines = [field.join(head).rstrip(field), field.join(msa), *_err(message, errors, version), *map(field.join, reply)]
    return ("\r".join(lines) + "\r").encode(message.codec, "replace")


def nack_unreadable(raw: bytes, text: str, code: AckCode = AckCode.AR) -> bytes:
    """The answer to bytes that are no message: with the control id of the first MSH line that can be made out."""
    error = Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR)
    found = _HEADER.search(raw)
    if found is not None:
        try:
            return ack(Message.parse(found[0]), code, error)
        except BadMessage:
            pass
    return ack(Message.parse(f"MSH|^~\\&|||||||ACK|||{_OUR_VERSION}".encode()), code, error)


@lru_cache(maxsize=1)
def _written(second: int) -> str:
    """The time of an answer. All of one second have the same."""
    return write_dtm(datetime.fromtimestamp(second).astimezone())


def _reply_type(message: Message, version: tuple[int, ...], answered: AckCode | CommitCode) -> str:
    own = _REPLIES.get(message.kind) if isinstance(answered, AckCode) else None
    component = message.delimiters.component
    if own is not None:
        code, trigger = own
        parts = [code, trigger, f"{code}_{trigger}"] if version >= (2, 3, 1) else [code, trigger]
    else:
        trigger = message.trigger if message.trigger.isalnum() and len(message.trigger) <= 3 else ""
        parts = ["ACK", trigger] if trigger else ["ACK"]
        if trigger and version >= (2, 3, 1):
            parts.append("ACK")
    return component.join(parts)


def _err(message: Message, errors: Sequence[Hl7Error], version: tuple[int, ...]) -> Iterable[str]:
    field, component, sub = (
        message.delimiters.field,
        message.delimiters.component,
        message.delimiters.subcomponent,
    )
    for error in errors:
        place = [error.segment, *(str(n) if n else "" for n in (error.sequence, error.field))]
        meaning = [error.code, ERROR_TEXTS[error.code], "HL70357"]
        if version < (2, 5):
            yield f"ERR{field}{component.join([*place, sub.join(meaning)])}"
        else:
            if error.component:
                place += ["1", str(error.component)]
            location = component.join(place).rstrip(component)
            said = escape(error.text[:_MAX_TEXT], message.delimiters)
            yield field.join(["ERR", "", location, component.join(meaning), error.severity, "", "", "", said])


@lru_cache(maxsize=64)
def _version(text: str) -> tuple[int, ...]:
    """Comparable version; what is missing or no version counts as ours."""
    numbers = text.split(".")
    if not all(number.isdecimal() and len(number) < 4 for number in numbers):
        numbers = _OUR_VERSION.split(".")
    return tuple(int(number) for number in numbers)


def _copied(raw: str) -> str:
    text = raw[:_MAX_TEXT]
    return text if text.isprintable() else _CONTROLS.sub("", text)


@dataclass(frozen=True, slots=True)
class Ack:
    """An answer that was read: MSA-1 (also CA, CE, CR), MSA-2, MSA-3, and the ERR and ORC segments."""

    code: str
    control_id: str
    text: str
    errors: tuple[Hl7Error, ...]
    orders: tuple[Segment, ...] = field(default=(), compare=False)
    """What an ORR, ORG or ORI says of each order."""

    @property
    def accepted(self) -> bool:
        return self.code in {"AA", "CA"}


def read_ack(raw: bytes) -> Ack:
    """Raises BadMessage when it is no acknowledgement."""
    message = Message.parse(raw)
    msa = message.segment("MSA")
    if msa is None:
        raise BadMessage("no MSA")
    errors = tuple(_error(segment) for segment in message.segments("ERR"))
    return Ack(msa.get(1).strip().upper(), msa.raw(2), msa.text(3), errors, tuple(message.segments("ORC")))


def _error(err: Segment) -> Hl7Error:
    """From ERR-2, 3 and 8 of version 2.5 and later, or from ERR-1 of older ones."""
    new = bool(err.get(3))
    code = err.get(3) if new else err.get(1, 4)
    place = 2 if new else 1
    return Hl7Error(
        text=err.get(8) or err.get(7) or (err.get(3, 2) if new else err.get(1, 4, sub=2)),
        code=ErrorCode(code) if code in set(ErrorCode) else ErrorCode.APPLICATION_INTERNAL_ERROR,
        segment=err.get(place),
        sequence=_number(err.get(place, 2)),
        field=_number(err.get(place, 3)),
        component=_number(err.get(2, 5)),
        severity=Severity(err.get(4)) if err.get(4) in set(Severity) else Severity.ERROR,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0

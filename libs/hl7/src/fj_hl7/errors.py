"""What can be wrong with a message, in the words of HL7 (v2.5.1 ch. 2.15.5 ERR, table 0357)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AckCode(StrEnum):
    """MSA-1 of an application acknowledgement (HL7 table 0008, original mode)."""

    AA = "AA"
    AE = "AE"
    AR = "AR"


class CommitCode(StrEnum):
    """MSA-1 of an accept acknowledgement (HL7 table 0008, enhanced mode)."""

    CA = "CA"
    CE = "CE"
    CR = "CR"


class ErrorCode(StrEnum):
    """HL7 table 0357, message error condition codes."""

    ACCEPTED = "0"
    SEGMENT_SEQUENCE_ERROR = "100"
    REQUIRED_FIELD_MISSING = "101"
    DATA_TYPE_ERROR = "102"
    TABLE_VALUE_NOT_FOUND = "103"
    UNSUPPORTED_MESSAGE_TYPE = "200"
    UNSUPPORTED_EVENT_CODE = "201"
    UNSUPPORTED_PROCESSING_ID = "202"
    UNSUPPORTED_VERSION_ID = "203"
    UNKNOWN_KEY_IDENTIFIER = "204"
    DUPLICATE_KEY_IDENTIFIER = "205"
    APPLICATION_RECORD_LOCKED = "206"
    APPLICATION_INTERNAL_ERROR = "207"


class Severity(StrEnum):
    """HL7 table 0516, error severity."""

    ERROR = "E"
    WARNING = "W"
    INFORMATION = "I"


ERROR_TEXTS: Final = {
    ErrorCode.ACCEPTED: "Message accepted",
    ErrorCode.SEGMENT_SEQUENCE_ERROR: "Segment sequence error",
    ErrorCode.REQUIRED_FIELD_MISSING: "Required field missing",
    ErrorCode.DATA_TYPE_ERROR: "Data type error",
    ErrorCode.TABLE_VALUE_NOT_FOUND: "Table value not found",
    ErrorCode.UNSUPPORTED_MESSAGE_TYPE: "Unsupported message type",
    ErrorCode.UNSUPPORTED_EVENT_CODE: "Unsupported event code",
    ErrorCode.UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    ErrorCode.UNSUPPORTED_VERSION_ID: "Unsupported version id",
    ErrorCode.UNKNOWN_KEY_IDENTIFIER: "Unknown key identifier",
    ErrorCode.DUPLICATE_KEY_IDENTIFIER: "Duplicate key identifier",
    ErrorCode.APPLICATION_RECORD_LOCKED: "Application record locked",
    ErrorCode.APPLICATION_INTERNAL_ERROR: "Application internal error",
}


@dataclass(frozen=True, slots=True)
class Hl7Error:
    """One thing that is wrong, and where: becomes one ERR segment.

    `sequence` counts the segments of that name from 1, `field` and `component` count from 1; 0 = not pointed at.
    `text` is read by a person at the sender: it may name codes and numbers, never the patient.
    """

    text: str
    code: ErrorCode = ErrorCode.APPLICATION_INTERNAL_ERROR
    segment: str = ""
    sequence: int = 0
    field: int = 0
    component: int = 0
    severity: Severity = Severity.ERROR


class BadMessage(ValueError):
    """The bytes are not one HL7 v2 message at all (no MSH, unusable delimiters)."""


class BatchNotMessage(BadMessage):
    """The bytes are a batch (FHS or BHS first): `split_batch` takes it apart."""


class Refusal(Exception):
    """Raised by a handler: answer AE (the content does not fit) or AR (not for this door), change nothing.

    `reply`: segments that the reply type has behind ERR, each the raw fields from its name on: the ORC of an ORR.
    """

    def __init__(self, code: AckCode, *errors: Hl7Error, reply: tuple[tuple[str, ...], ...] = ()) -> None:
        super().__init__(code, *errors)
        self.code = code
        self.errors = errors
        self.reply = reply

    def __str__(self) -> str:
        return f"{self.code}: " + "; ".join(error.text for error in self.errors)


def missing(segment: str, sequence: int = 1, field: int = 0, component: int = 0) -> Refusal:
    """The refusal of a message that lacks a segment (`field` 0) or a field that is needed."""
    if not field:
        text, code = f"{segment} is missing", ErrorCode.SEGMENT_SEQUENCE_ERROR
    else:
        place = f"{segment}-{field}" + (f".{component}" if component else "")
        text, code = f"{place} is missing", ErrorCode.REQUIRED_FIELD_MISSING
    return Refusal(AckCode.AE, Hl7Error(text, code, segment, sequence, field, component))

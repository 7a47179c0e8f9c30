"""HL7 v2: a lazy reader, escapes and character sets, MLLP, acknowledgements. Protocol only, no workflow."""

from fj_hl7.ack import Ack, ack, nack_unreadable, new_control_id, read_ack
from fj_hl7.batch import split_batch
from fj_hl7.datatypes import CWE, CX, EI, HD, XAD, XCN, XPN
from fj_hl7.delimiters import Delimiters, escape, unescape
from fj_hl7.dtm import DTM, BadTime, Precision, write_dtm
from fj_hl7.errors import (
    AckCode,
    BadMessage,
    BatchNotMessage,
    ErrorCode,
    Hl7Error,
    Refusal,
    Severity,
    missing,
)
from fj_hl7.message import Group, LineEnds, Message, Segments, Sender
from fj_hl7.segment import Segment, Value

__all__ = [
    "CWE",
    "CX",
    "DTM",
    "EI",
    "HD",
    "XAD",
    "XCN",
    "XPN",
    "Ack",
    "AckCode",
    "BadMessage",
    "BadTime",
    "BatchNotMessage",
    "Delimiters",
    "ErrorCode",
    "Group",
    "Hl7Error",
    "LineEnds",
    "Message",
    "Precision",
    "Refusal",
    "Segment",
    "Segments",
    "Sender",
    "Severity",
    "Value",
    "ack",
    "escape",
    "missing",
    "nack_unreadable",
    "new_control_id",
    "read_ack",
    "split_batch",
    "unescape",
    "write_dtm",
]

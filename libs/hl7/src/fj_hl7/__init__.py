"""HL7 v2: a lazy reader, escapes and character sets, MLLP, acknowledgements. Protocol only, no workflow."""

from fj_hl7.ack import Ack, ack, nack_unreadable, new_control_id, read_ack
from fj_hl7.batch import is_batch, split_batch
from fj_hl7.client import CannotConnect, MllpClient, MllpError, NoAnswer, Refused
from fj_hl7.connection import Limits
from fj_hl7.datatypes import CWE, CX, EI, HD, PL, XAD, XCN, XPN
from fj_hl7.delimiters import Delimiters, escape, unescape
from fj_hl7.door import Door
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
from fj_hl7.framing import VT, Framer, frame
from fj_hl7.handling import Foreseeing, Handler, Intake, Outcome, Reply, Unit, Watch
from fj_hl7.kept import Archive, Kept, Opened, Search
from fj_hl7.ledger import Entry, Ledger
from fj_hl7.message import Group, LineEnds, Message, Segments, Sender
from fj_hl7.pid import PID
from fj_hl7.places import Found, Place
from fj_hl7.profile import Item, Profile
from fj_hl7.profiles import BadProfile, Profiles
from fj_hl7.receipt import Came, Key, Receipt
from fj_hl7.seal import CannotOpen, Seal
from fj_hl7.segment import Segment, Value
from fj_hl7.server import Health, MllpServer

__all__ = [
    "CWE",
    "CX",
    "DTM",
    "EI",
    "HD",
    "PID",
    "PL",
    "VT",
    "XAD",
    "XCN",
    "XPN",
    "Ack",
    "AckCode",
    "Archive",
    "BadMessage",
    "BadProfile",
    "BadTime",
    "BatchNotMessage",
    "Came",
    "CannotConnect",
    "CannotOpen",
    "Delimiters",
    "Door",
    "Entry",
    "ErrorCode",
    "Foreseeing",
    "Found",
    "Framer",
    "Group",
    "Handler",
    "Health",
    "Hl7Error",
    "Intake",
    "Item",
    "Kept",
    "Key",
    "Ledger",
    "Limits",
    "LineEnds",
    "Message",
    "MllpClient",
    "MllpError",
    "MllpServer",
    "NoAnswer",
    "Opened",
    "Outcome",
    "Place",
    "Precision",
    "Profile",
    "Profiles",
    "Receipt",
    "Refusal",
    "Refused",
    "Reply",
    "Seal",
    "Search",
    "Segment",
    "Segments",
    "Sender",
    "Severity",
    "Unit",
    "Value",
    "Watch",
    "ack",
    "escape",
    "frame",
    "is_batch",
    "missing",
    "nack_unreadable",
    "new_control_id",
    "read_ack",
    "split_batch",
    "unescape",
    "write_dtm",
]

"""DICOM: an SCP that acknowledges at once, tag reading, status answers, known peers."""

from fj_dicom.attributes import (
    Name,
    NameGroup,
    day,
    integer,
    item,
    name,
    read_attributes,
    text,
    to_dicom_json,
    whole_number,
)
from fj_dicom.bridge import Pulled
from fj_dicom.command import Command, CommandField, Counts
from fj_dicom.decoding import read, write
from fj_dicom.errors import AssociationLost, Refused
from fj_dicom.identifier import SPECIFIC_CHARACTER_SET, UTF_8, Asked, Attributes, Encoder, Items, Text, asked
from fj_dicom.messages import Answer, Caller, Incoming, Request
from fj_dicom.normalized import AnswerHandler, NormalizedService
from fj_dicom.part10 import FileHeader, file_header, read_file_header
from fj_dicom.peers import BadPeers, Peer, Peers
from fj_dicom.query import FindHandler, FindService, Matches
from fj_dicom.requestor import NotAssociated, Remote, Requested, RequestorSettings, Wanted, requested, stored_contexts
from fj_dicom.retrieve import (
    Data,
    GetHandler,
    GetService,
    Move,
    MoveHandler,
    MoveService,
    Result,
    Retrieval,
    Supply,
    deliver,
)
from fj_dicom.scanner import TagScanner
from fj_dicom.scp import Health, Scp
from fj_dicom.sender import Outgoing, Sender
from fj_dicom.services import UNCOMPRESSED, VERIFICATION, Channel, Service, Session
from fj_dicom.settings import ScpSettings
from fj_dicom.status import OK, ErrorId, Find, General, Retrieve, Status, Store
from fj_dicom.storable import SOP_CLASSES, TRANSFER_SYNTAXES, storable
from fj_dicom.store import Receiver, Sink, Storage, StoreService
from fj_dicom.tags import BadDataSet

__all__ = [
    "OK",
    "SOP_CLASSES",
    "SPECIFIC_CHARACTER_SET",
    "TRANSFER_SYNTAXES",
    "UNCOMPRESSED",
    "UTF_8",
    "VERIFICATION",
    "Answer",
    "AnswerHandler",
    "Asked",
    "AssociationLost",
    "Attributes",
    "BadDataSet",
    "BadPeers",
    "Caller",
    "Channel",
    "Command",
    "CommandField",
    "Counts",
    "Data",
    "Encoder",
    "ErrorId",
    "FileHeader",
    "Find",
    "FindHandler",
    "FindService",
    "General",
    "GetHandler",
    "GetService",
    "Health",
    "Incoming",
    "Items",
    "Matches",
    "Move",
    "MoveHandler",
    "MoveService",
    "Name",
    "NameGroup",
    "NormalizedService",
    "NotAssociated",
    "Outgoing",
    "Peer",
    "Peers",
    "Pulled",
    "Receiver",
    "Refused",
    "Remote",
    "Request",
    "Requested",
    "RequestorSettings",
    "Result",
    "Retrieval",
    "Retrieve",
    "Scp",
    "ScpSettings",
    "Sender",
    "Service",
    "Session",
    "Sink",
    "Status",
    "Storage",
    "Store",
    "StoreService",
    "Supply",
    "TagScanner",
    "Text",
    "Wanted",
    "asked",
    "day",
    "deliver",
    "file_header",
    "integer",
    "item",
    "name",
    "read",
    "read_attributes",
    "read_file_header",
    "requested",
    "storable",
    "stored_contexts",
    "text",
    "to_dicom_json",
    "whole_number",
    "write",
]

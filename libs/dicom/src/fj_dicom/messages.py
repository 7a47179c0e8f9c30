"""What a service gets and what it answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

from fj_dicom.command import Command, Counts
from fj_dicom.decoding import read
from fj_dicom.errors import Refused
from fj_dicom.scanner import TagScanner
from fj_dicom.status import OK, General, Status
from fj_dicom.tags import BadDataSet


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of the association."""

    ae_title: str
    called_ae_title: str
    host: str
    site: str
    """From `Peers`."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """What was agreed by SOP class extended negotiation (PS3.7 D.3.3.5), by SOP class."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose data set is still arriving.

    `fragments` are lists of what has come together, to be used in order, each list before the next is taken.
    """

    caller: Caller
    command: Command
    transfer_syntax: str
    fragments: Iterator[list[memoryview]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has arrived as a whole. `data` is the encoded data set, empty where there is none."""

    caller: Caller
    command: Command
    transfer_syntax: str
    data: bytes

    def dataset(self) -> Dataset:
        """The decoded data set. Raises Refused (cannot be decoded) for the association to answer."""
        return decode(self.data, self.transfer_syntax)


@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer of a C-ECHO, C-STORE or N-service; `sop_instance_uid` where the SCP made it (N-CREATE)."""

    status: Status = OK
    dataset: Dataset | None = None
    sop_instance_uid: str | None = None
    counts: Counts | None = None
    """Of a C-GET or C-MOVE."""


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """Decode a data set. Raises Refused with `General.PROCESSING_FAILURE`."""
    try:
        TagScanner(transfer_syntax, ()).finish(memoryview(data))
        return read(data, transfer_syntax)
    except BadDataSet as reason:
        raise Refused(Status(General.PROCESSING_FAILURE, "the data set cannot be decoded")) from reason

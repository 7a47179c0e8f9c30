"""What a service of an SCP looks like to the association, and the simplest one, verification."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from fj_dicom.command import CommandField, Counts
from fj_dicom.errors import Refused
from fj_dicom.messages import Answer, Caller, Incoming, Request
from fj_dicom.sender import Sender
from fj_dicom.status import PENDING, General, Status

T = TypeVar("T")

VERIFICATION: Final = "1.2.840.10008.1.1"
UNCOMPRESSED: Final = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""For messages without pixels: implicit VR is the one that everybody has."""
DATA_SET_MAX: Final = 16 * 1024 * 1024
"""Of a message that is taken into memory as a whole, bytes."""


class Channel(Protocol):
    """The way back to the peer, and from the association's thread to the event loop."""

    def answer(self, incoming: Incoming, answer: Answer) -> None:
        """Send the final answer."""

    def pending(self, incoming: Incoming, identifier: bytes, status: int = PENDING) -> None:
        """Send one match, encoded in the context's transfer syntax; it may travel together with the next ones."""

    def progress(self, incoming: Incoming, counts: Counts, *, now: bool = True) -> None:
        """Say how far the sub-operations are; not `now`: together with what is sent next."""

    def sender(self, incoming: Incoming) -> Sender:
        """Sends instances on this same association, for the request at hand (C-GET)."""

    def cancelled(self, incoming: Incoming) -> bool:
        """Whether the peer has cancelled this request (C-CANCEL)."""

    def wait_for(self, handler: Callable[[Request], Awaitable[T]], request: Request) -> T:
        """Run the handler on the event loop. Raises Refused when it does not answer in time."""


class Session(Protocol):
    """One association's use of a service, in the association's own thread."""

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """Take the data set and send the answers. Raising Refused, before any answer, answers with its status."""

    def close(self) -> None:
        """The association is over, however it ended."""


class Service(Protocol):
    """What an SCP can do: the contexts that it accepts and the commands that it performs in them."""

    @property
    def contexts(self) -> Mapping[str, Sequence[str]]:
        """Abstract syntax -> transfer syntaxes."""

    @property
    def commands(self) -> frozenset[int]:
        """Values of `CommandField`."""

    @property
    def extended(self) -> Mapping[str, bytes]:
        """SOP class -> the options that it can do, one byte each (PS3.7 D.3.3.5); only classes that have some."""

    @property
    def returned(self) -> Mapping[str, Sequence[str]]:
        """What it sends by C-STORE on the requestor's own association: SOP class -> transfer syntaxes.

        Such a context is accepted where the requestor offers to be its SCP (role selection, PS3.7 D.3.3.4).
        """

    def session(self, caller: Caller) -> Session:
        """A new association may use this service."""


class Stateless(ABC):
    """A service whose messages have nothing to do with each other: it is its own session."""

    def __init__(self, sop_class: str, transfer_syntaxes: Sequence[str], *commands: CommandField) -> None:
        self.contexts: Mapping[str, Sequence[str]] = {sop_class: transfer_syntaxes}
        self.commands: frozenset[int] = frozenset(commands)
        self.extended: Mapping[str, bytes] = {}
        self.returned: Mapping[str, Sequence[str]] = {}

    def session(self, _caller: Caller) -> Session:
        """Itself."""
        return self

    @abstractmethod
    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """See `Session.perform`."""

    def close(self) -> None:  # noqa: B027 - a stateless service has nothing to close
        """Nothing was kept."""


class Verification(Stateless):
    """C-ECHO (PS3.4 Annex A). Every SCP has it."""

    def __init__(self) -> None:
        super().__init__(VERIFICATION, UNCOMPRESSED, CommandField.C_ECHO)

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """Answer success."""
        channel.answer(incoming, Answer())


def take_whole(incoming: Incoming) -> Request:
    """Collect the data set in memory. Raises Refused when it is longer than `DATA_SET_MAX`."""
    data = bytearray()
    for fragments in incoming.fragments:
        for fragment in fragments:
            data += fragment
        if len(data) > DATA_SET_MAX:
            raise Refused(Status(General.RESOURCE_LIMITATION, f"data set longer than {DATA_SET_MAX} bytes"))
    return Request(incoming.caller, incoming.command, incoming.transfer_syntax, bytes(data))

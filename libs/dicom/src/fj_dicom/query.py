"""C-FIND as SCP (PS3.4 sections C.4.1, K.4.1)."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from fj_dicom.command import CommandField
from fj_dicom.decoding import write
from fj_dicom.messages import Answer, Incoming, Request
from fj_dicom.services import UNCOMPRESSED, Channel, Stateless, take_whole
from fj_dicom.status import CANCEL, OK, Find, Status


@dataclass(frozen=True, slots=True)
class Matches:
    """Matches in order; bytes are encoded already, in the request's transfer syntax."""

    identifiers: Iterable[Dataset | bytes]
    pending: Find = Find.PENDING
    """With what each is sent: `PENDING_WITHOUT_SOME_KEYS` where optional keys of the request are not supported."""
    final: Status = OK
    """The last answer."""


FindHandler = Callable[[Request], Awaitable[Iterable[Dataset | bytes] | Matches]]
"""Returns the matches. Raises Refused with a status of `fj_dicom.status.Find` where it cannot answer."""


class FindService(Stateless):
    """C-FIND of one information model; `options` are what it can do of extended negotiation (PS3.4 C.5.1.1)."""

    def __init__(
        self,
        sop_class: str,
        handler: FindHandler,
        transfer_syntaxes: Sequence[str] = UNCOMPRESSED,
        options: bytes = b"",
    ) -> None:
        super().__init__(sop_class, transfer_syntaxes, CommandField.C_FIND)
        self.extended = {sop_class: options} if options else {}
        self._handler = handler

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """Ask the handler and send its matches, until they end or the peer cancels."""
        found = channel.wait_for(self._handler, take_whole(incoming))
        matches = found if isinstance(found, Matches) else Matches(found)
        for match in matches.identifiers:
            if channel.cancelled(incoming):
                channel.answer(incoming, Answer(Status(CANCEL)))
                return
            encoded = match if isinstance(match, bytes) else write(match, incoming.transfer_syntax)
            channel.pending(incoming, encoded, matches.pending)
        channel.answer(incoming, Answer(matches.final))

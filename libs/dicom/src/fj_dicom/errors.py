"""What ends a message or an association before its time."""

from fj_dicom.status import Status


class Refused(Exception):
    """Raised by a handler: the message is answered with this failure status, and nothing has changed."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"{status.code:#06x} {status.comment}")
        self.status = status


class AssociationLost(Exception):
    """The peer aborted, went away or fell silent in the middle; there is nobody left to answer."""


class ProtocolBroken(AssociationLost):
    """The peer sent what the protocol does not allow (PS3.8 section 9.2); it is told by A-ABORT.

    `reason` is the reason field of the A-ABORT PDU (PS3.8 table 9-26).
    """

    def __init__(self, what: str, reason: int) -> None:
        super().__init__(what)
        self.reason = reason

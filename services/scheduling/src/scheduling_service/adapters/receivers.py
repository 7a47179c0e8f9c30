"""Other receivers of MPPS, over DIMSE (PS3.4 section F.7)."""

import asyncio
from typing import Final

from fj_dicom import (
    AssociationLost,
    ErrorId,
    General,
    NotAssociated,
    Peer,
    Peers,
    RequestorSettings,
    Status,
    Wanted,
    read,
    requested,
)

from scheduling_service.domain.forward import Forward, Operation, Result

MPPS: Final = "1.2.840.10008.3.1.2.3.3"


class DicomReceivers:
    """Calls the peers of FJ_PEERS, one association for a message."""

    def __init__(self, peers: Peers, ae_title: str) -> None:
        self._peers = peers
        self._caller = RequestorSettings(ae_title=ae_title)

    async def send(self, forward: Forward) -> Result:
        """See `scheduling_service.ports.Receivers`."""
        peer = self._peers.get(forward.destination)
        if peer is None:
            return Result("it is not in FJ_PEERS", away=True)
        try:
            status = await asyncio.to_thread(self._tell, peer, forward)
        except NotAssociated as reason:
            return Result(str(reason), away=True)
        except AssociationLost as reason:
            return Result(str(reason))
        except Exception as reason:  # noqa: BLE001 - a message that cannot be sent is its own problem, not the others'
            return Result(f"it cannot be sent: {type(reason).__name__}", refused=True)
        if status.is_taken or _was_taken(forward, status):
            return Result()
        return Result(f"the peer answers {status.code:04x}H", refused=True)

    def _tell(self, peer: Peer, forward: Forward) -> Status:
        report = forward.report
        content = read(report.content, report.transfer_syntax)
        with requested(peer, self._caller, [Wanted(MPPS)]) as association:
            act = association.create if report.operation is Operation.CREATE else association.set
            return act(MPPS, report.sop_instance_uid, content)


def _was_taken(forward: Forward, status: Status) -> bool:
    """Whether an attempt got through whose answer we have not seen: the receiver has it, and so refuses it."""
    if forward.report.operation is Operation.CREATE:
        return status.code == General.DUPLICATE_SOP_INSTANCE
    return forward.attempts > 1 and status.error_id == ErrorId.NO_LONGER_UPDATABLE

"""What peers are told over DIMSE, on associations of our own."""

import asyncio

from fj_dicom import AssociationLost, NotAssociated, Peer, Peers, Requested, RequestorSettings, Wanted, requested
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from storage_service.domain.commitment import Commitment, Reference
from storage_service.ports import Undelivered

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs (PS3.4 table J.3-2)."""


class DicomTelling:
    """Calls the peers of FJ_PEERS under one AE title."""

    def __init__(self, peers: Peers, caller: RequestorSettings, retrieve_ae_title: str) -> None:
        self._peers = peers
        self._caller = caller
        self._retrieve_ae_title = retrieve_ae_title

    async def commitment(self, commitment: Commitment) -> None:
        """The result of a storage commitment request, by N-EVENT-REPORT (PS3.4 J.3.3). Raises Undelivered."""
        peer = self._peers.get(commitment.calling_ae_title)
        if peer is None:
            raise Undelivered(f"{commitment.calling_ae_title} is not in FJ_PEERS")
        content = self._result(commitment)
        event = SOME_FAILED if "FailedSOPSequence" in content else ALL_COMMITTED
        await asyncio.to_thread(self._report, peer, event, content)

    def _report(self, peer: Peer, event: int, content: Dataset) -> None:
        try:
            # We are its SCP though we call: the roles are said, for peers that want them said.
            with requested(peer, self._caller, [Wanted(PUSH_MODEL, as_scp=True)]) as association:
                _accepted(association, event, content)
        except (NotAssociated, AssociationLost) as reason:
            raise Undelivered(str(reason)) from None

    def _result(self, commitment: Commitment) -> Dataset:
        content = Dataset()
        content.TransactionUID = commitment.transaction_uid
        content.RetrieveAETitle = self._retrieve_ae_title
        committed = [_item(reference) for reference, reason in commitment.results if not reason]
        failed = [_item(reference, int(reason)) for reference, reason in commitment.results if reason]
        if committed:
            content.ReferencedSOPSequence = Items(committed)
        if failed:
            content.FailedSOPSequence = Items(failed)
        return content


def _accepted(association: Requested, event: int, content: Dataset) -> None:
    status = association.report(PUSH_MODEL, PUSH_MODEL_INSTANCE, event, content)
    if status.code:
        raise Undelivered(f"the peer answers {status.code:04x}H")


def _item(reference: Reference, reason: int = 0) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason:
        item.FailureReason = reason
    return item

"""What peers are told over DIMSE, on associations of our own."""

import asyncio
import threading
from collections.abc import Sequence

from fj_dicom import (
    AssociationLost,
    Move,
    NotAssociated,
    Peer,
    Peers,
    Requested,
    RequestorSettings,
    Result,
    Wanted,
    deliver,
    requested,
)
from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid

from storage_service.adapters.supply import PackRetrievals
from storage_service.domain.commitment import Commitment, Reference
from storage_service.domain.retrieval import Stored
from storage_service.domain.routing import SendResult
from storage_service.ports.commitment import Undelivered

PUSH_MODEL = "1.2.840.10008.1.20.1"
AVAILABILITY = "1.2.840.10008.5.1.4.33"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs (PS3.4 table J.3-2)."""


class DicomTelling:
    """Calls the peers of FJ_PEERS."""

    def __init__(self, peers: Peers, receiver: str, sender: str, retrievals: PackRetrievals) -> None:
        """`receiver`: as whom what we have received is answered for; `sender`: as whom we send."""
        self._peers = peers
        self._receiver = RequestorSettings(ae_title=receiver)
        self._sender = RequestorSettings(ae_title=sender)
        self._retrievals = retrievals

    async def instances(self, ae_title: str, instances: Sequence[Stored]) -> SendResult:
        """Send them by C-STORE, over as many associations as the peer takes."""
        peer = self._peers.get(ae_title)
        if peer is None:
            return SendResult(trouble=f"{ae_title} is not in FJ_PEERS")
        move = Move(self._retrievals.of(instances), peer, peer.associations)
        stopping = threading.Event()
        try:
            ended, trouble = await asyncio.to_thread(deliver, move, self._sender, stopping)
        finally:
            stopping.set()  # a process that ends does not wait for more than the instance at hand
        failed = sum(result is Result.FAILED for _, result in ended)
        trouble = trouble or f"{failed} of {len(ended)} instances were not taken"
        return SendResult([uid for uid, result in ended if result is not Result.FAILED], trouble if failed else "")

    async def availability(self, ae_title: str, instances: Sequence[Stored]) -> SendResult:
        """Say that they can be retrieved, by N-CREATE (PS3.4 R.3.2)."""
        peer = self._peers.get(ae_title)
        if peer is None:
            return SendResult(trouble=f"{ae_title} is not in FJ_PEERS")
        content = notification(instances, self._sender.ae_title)
        try:
            await asyncio.to_thread(self._notify, peer, content)
        except Undelivered as reason:
            return SendResult(trouble=str(reason))
        return SendResult()

    def _notify(self, peer: Peer, content: Dataset) -> None:
        try:
            with requested(peer, self._sender, [Wanted(AVAILABILITY)]) as association:
                status = association.create(AVAILABILITY, str(generate_uid(None)), content)
        except (NotAssociated, AssociationLost) as reason:
            raise Undelivered(str(reason)) from None
        if status.code:
            raise Undelivered(f"the peer answers {status.code:04x}H")

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
            with requested(peer, self._receiver, [Wanted(PUSH_MODEL, as_scp=True)]) as association:
                _accepted(association, event, content)
        except (NotAssociated, AssociationLost) as reason:
            raise Undelivered(str(reason)) from None

    def _result(self, commitment: Commitment) -> Dataset:
        content = Dataset()
        content.TransactionUID = commitment.transaction_uid
        content.RetrieveAETitle = self._sender.ae_title
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


def notification(instances: Sequence[Stored], retrieve_ae_title: str) -> Dataset:
    """An Instance Availability Notification about one study (PS3.4 table R.3.2-1)."""
    content = Dataset()
    content.ReferencedPerformedProcedureStepSequence = Items()
    content.StudyInstanceUID = instances[0].study_instance_uid if instances else ""
    series: dict[str, list[Dataset]] = {}
    for stored in instances:
        item = _item(Reference(stored.sop_class_uid, stored.sop_instance_uid))
        item.InstanceAvailability = "ONLINE"
        item.RetrieveAETitle = retrieve_ae_title
        series.setdefault(stored.series_instance_uid, []).append(item)
    content.ReferencedSeriesSequence = Items()
    for uid, items in series.items():
        one = Dataset()
        one.SeriesInstanceUID = uid
        one.ReferencedSOPSequence = Items(items)
        content.ReferencedSeriesSequence.append(one)
    return content


def _item(reference: Reference, reason: int = 0) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason:
        item.FailureReason = reason
    return item

"""Storage commitment as SCP (PS3.4 Annex J; IHE RAD-10): the request becomes a fact, `storage` answers it."""

from collections.abc import Awaitable, Callable
from typing import Final

from fj_dicom import Answer, CommandField, General, NormalizedService, Peers, Refused, Request, Status, text
from fj_events import SopReference
from fj_packs.pack import is_uid
from pydicom import Dataset

from ingest_service.domain.commitment import CommitmentRequest, NotKept, TransactionReused

PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST_STORAGE_COMMITMENT: Final = 1
"""Action Type ID (PS3.4 table J.3-1)."""
TRANSACTION_UID: Final = 0x00081195
REFERENCED_SOP_SEQUENCE: Final = 0x00081199

Keep = Callable[[CommitmentRequest], Awaitable[None]]
"""Returns when the request is committed. Raises TransactionReused, NotKept."""


def commitment_service(keep: Keep, peers: Peers) -> NormalizedService:
    """N-ACTION of the Storage Commitment Push Model."""

    async def action(request: Request) -> Answer:
        wanted = read_request(request, peers)
        try:
            await keep(wanted)
        except TransactionReused as reason:
            comment = "Transaction UID (0008,1195) was used for another request"
            raise Refused(Status(General.INVALID_ARGUMENT_VALUE, comment, offending=(TRANSACTION_UID,))) from reason
        except NotKept as reason:
            raise Refused(Status(General.PROCESSING_FAILURE, "cannot be committed now: no database")) from reason
        return Answer()

    return NormalizedService(PUSH_MODEL, {CommandField.N_ACTION: action})


def read_request(request: Request, peers: Peers) -> CommitmentRequest:
    """What an N-ACTION asks for. Raises Refused."""
    command, caller = request.command, request.caller
    if peers.get(caller.ae_title) is None:
        # The result goes to the caller on an association of our own: without an address there is none.
        raise Refused(Status(General.NOT_AUTHORIZED, "calling AE title has no address in FJ_PEERS"))
    if command.sop_instance_uid != PUSH_MODEL_INSTANCE:
        raise Refused(Status(General.NO_SUCH_SOP_INSTANCE, "not the well-known instance of the push model"))
    if command.action_type != REQUEST_STORAGE_COMMITMENT:
        raise Refused(Status(General.NO_SUCH_ACTION, "Action Type ID (0000,1008) is not 1"))
    dataset = request.dataset()
    transaction = _uid(dataset, "TransactionUID", TRANSACTION_UID)
    return CommitmentRequest(transaction, caller.ae_title, caller.site, _references(dataset))


def _references(dataset: Dataset) -> tuple[SopReference, ...]:
    """Each once, in their order."""
    items = dataset.get("ReferencedSOPSequence")
    if items is None:
        raise _refused(General.MISSING_ATTRIBUTE, REFERENCED_SOP_SEQUENCE, "Referenced SOP Sequence is missing")
    if not items or not all(isinstance(item, Dataset) for item in items):
        raise _refused(General.MISSING_ATTRIBUTE_VALUE, REFERENCED_SOP_SEQUENCE, "Referenced SOP Sequence has no item")
    return tuple(dict.fromkeys(_reference(item) for item in items))


def _reference(item: Dataset) -> SopReference:
    return SopReference(
        sop_class_uid=_uid(item, "ReferencedSOPClassUID", REFERENCED_SOP_SEQUENCE),
        sop_instance_uid=_uid(item, "ReferencedSOPInstanceUID", REFERENCED_SOP_SEQUENCE),
    )


def _uid(dataset: Dataset, keyword: str, offending: int) -> str:
    if keyword not in dataset:
        raise _refused(General.MISSING_ATTRIBUTE, offending, f"{keyword} is missing")
    value = text(dataset, keyword)
    if value is None:
        raise _refused(General.MISSING_ATTRIBUTE_VALUE, offending, f"{keyword} is empty")
    if not is_uid(value):
        raise _refused(General.INVALID_ATTRIBUTE_VALUE, offending, f"{keyword} is no UID")
    return value


def _refused(code: General, offending: int, comment: str) -> Refused:
    return Refused(Status(code, comment, offending=(offending,)))

"""What both doors take, and the statuses by which both refuse."""

from collections.abc import Mapping
from typing import Final

from fj_dicom import General, Store
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from ingest_service.domain.reception import NotAccepted, Reason

TRANSFER_SYNTAXES: Final = tuple(map(str, ALL_TRANSFER_SYNTAXES))
CONTEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    str(context.abstract_syntax): TRANSFER_SYNTAXES for context in AllStoragePresentationContexts
}
"""Every storage SOP class in every transfer syntax: what is received is kept as it is, never decoded."""

STATUS: Final[Mapping[Reason, int]] = {
    Reason.OUT_OF_RESOURCES: Store.OUT_OF_RESOURCES,
    Reason.MISMATCH: Store.DATA_SET_MISMATCH,
    Reason.NOT_UNDERSTOOD: Store.CANNOT_UNDERSTAND,
    Reason.SOP_CLASS_NOT_SUPPORTED: General.SOP_CLASS_NOT_SUPPORTED,
    Reason.TRANSFER_SYNTAX_NOT_SUPPORTED: 0xC122,
}
"""Statuses of C-STORE (PS3.4 table B.2-1) and, the same numbers, failure reasons of STOW-RS (PS3.18 table I.2-2)."""


def check_storable(sop_class_uid: str, transfer_syntax_uid: str) -> None:
    """Raises NotAccepted for what no association would have negotiated."""
    if transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise NotAccepted(Reason.TRANSFER_SYNTAX_NOT_SUPPORTED, "transfer syntax (0002,0010) is not known here")
    if sop_class_uid not in CONTEXTS:
        raise NotAccepted(Reason.SOP_CLASS_NOT_SUPPORTED, "SOP class (0008,0016) is no storage SOP class")

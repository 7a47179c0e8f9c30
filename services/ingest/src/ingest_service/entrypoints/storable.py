"""What both doors take, and the statuses by which both refuse."""

from collections.abc import Collection, Mapping
from typing import Final

from fj_dicom import TRANSFER_SYNTAXES, General, Store, storable

from ingest_service.domain.reception import NotAccepted, Reason

STATUS: Final[Mapping[Reason, int]] = {
    Reason.OUT_OF_RESOURCES: Store.OUT_OF_RESOURCES,
    Reason.MISMATCH: Store.DATA_SET_MISMATCH,
    Reason.NOT_UNDERSTOOD: Store.CANNOT_UNDERSTAND,
    Reason.SOP_CLASS_NOT_SUPPORTED: General.SOP_CLASS_NOT_SUPPORTED,
    Reason.TRANSFER_SYNTAX_NOT_SUPPORTED: 0xC122,
}
"""Statuses of C-STORE (PS3.4 table B.2-1) and, the same numbers, failure reasons of STOW-RS (PS3.18 table I.2-2)."""


class Storable:
    """What is taken: every storage SOP class, and those that the installation adds, in every transfer syntax."""

    def __init__(self, further_sop_classes: Collection[str] = ()) -> None:
        self.contexts = storable(further_sop_classes)
        """For the negotiation of an association."""

    def check(self, sop_class_uid: str, transfer_syntax_uid: str) -> None:
        """Raises NotAccepted for what no association would have negotiated."""
        if transfer_syntax_uid not in TRANSFER_SYNTAXES:
            raise NotAccepted(Reason.TRANSFER_SYNTAX_NOT_SUPPORTED, "transfer syntax (0002,0010) is not known here")
        if sop_class_uid not in self.contexts:
            raise NotAccepted(Reason.SOP_CLASS_NOT_SUPPORTED, "SOP class (0008,0016) is no storage SOP class")

"""What both doors take, and the statuses by which both refuse."""

from collections.abc import Collection, Mapping
from typing import Final

from fj_dicom import General, Store
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AllStoragePresentationContexts

from ingest_service.domain.reception import NotAccepted, Reason

_NO_DATA_SET_ENCODINGS: Final = frozenset(("1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20"))
"""MIME encapsulation, XML and Papyrus 3 are listed as transfer syntaxes, and retired."""
TRANSFER_SYNTAXES: Final = tuple(
    uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax" and uid not in _NO_DATA_SET_ENCODINGS
)
"""All of PS3.6 table A-1, the retired ones too: what is received is kept as it is, never decoded."""

_STORAGE_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
_RETIRED_ELSEWHERE: Final = ("1.2.840.10008.5.1.1.27", "1.2.840.10008.5.1.1.29", "1.2.840.10008.5.1.1.30")
"""Stored print and hardcopies (PS3.6 table A-1)."""
_OF_NO_PATIENT: Final = frozenset(f"{_STORAGE_ROOT}{end}" for end in ("200.1", "200.3", "200.7", "201.1"))
"""Protocols and inventories (PS3.4 Annex GG) belong to no study."""
SOP_CLASSES: Final = (
    frozenset(
        (
            *(str(context.abstract_syntax) for context in AllStoragePresentationContexts),
            *(
                uid
                for uid, entry in UID_dictionary.items()
                if entry[1] == "SOP Class" and uid.startswith(_STORAGE_ROOT) and "Storage" in entry[0]
            ),
            *_RETIRED_ELSEWHERE,
        )
    )
    - _OF_NO_PATIENT
)
"""Every storage SOP class of a study (PS3.6 table A-1), also retired ones, DICOS and DICONDE."""

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
        self.sop_classes = SOP_CLASSES.union(further_sop_classes)

    @property
    def contexts(self) -> Mapping[str, tuple[str, ...]]:
        """For the negotiation of an association."""
        return dict.fromkeys(self.sop_classes, TRANSFER_SYNTAXES)

    def check(self, sop_class_uid: str, transfer_syntax_uid: str) -> None:
        """Raises NotAccepted for what no association would have negotiated."""
        if transfer_syntax_uid not in TRANSFER_SYNTAXES:
            raise NotAccepted(Reason.TRANSFER_SYNTAX_NOT_SUPPORTED, "transfer syntax (0002,0010) is not known here")
        if sop_class_uid not in self.sop_classes:
            raise NotAccepted(Reason.SOP_CLASS_NOT_SUPPORTED, "SOP class (0008,0016) is no storage SOP class")

"""What can be stored: what one door takes is what another one gives again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pydicom._uid_dict import UID_dictionary
from pynetdicom import AllStoragePresentationContexts

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


def storable(further_sop_classes: Collection[str] = ()) -> Mapping[str, Sequence[str]]:
    """SOP class -> transfer syntaxes: every one of a study, and those that the installation adds, in every one."""
    return dict.fromkeys(SOP_CLASSES.union(further_sop_classes), TRANSFER_SYNTAXES)

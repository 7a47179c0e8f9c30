"""What arrives, and when it is accepted."""

from dataclasses import dataclass
from enum import StrEnum

from fj_packs.pack import Identity, is_uid


@dataclass(frozen=True, slots=True)
class Expected:
    """What the message around a data set says about it; None where it says nothing."""

    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None


class Reason(StrEnum):
    """Why something is not taken."""

    OUT_OF_RESOURCES = "out of resources"
    """The journal's disk is nearly full. It may be better later."""
    MISMATCH = "mismatch"
    """The data set is not what the message says it is."""
    NOT_UNDERSTOOD = "not understood"
    """The data set is broken, or lacks what every instance has."""
    SOP_CLASS_NOT_SUPPORTED = "SOP class not supported"
    TRANSFER_SYNTAX_NOT_SUPPORTED = "transfer syntax not supported"


class NotAccepted(Exception):
    """Nothing was kept. The comment names attributes and places, never values: it travels to the sender and the log."""

    def __init__(self, reason: Reason, comment: str) -> None:
        super().__init__(f"{reason}: {comment}")
        self.reason = reason
        self.comment = comment


def check(identity: Identity, expected: Expected) -> None:
    """Raises NotAccepted when an identifier is missing, malformed, or not the one that the message named."""
    for name, value in (
        ("SOP Class UID (0008,0016)", identity.sop_class_uid),
        ("SOP Instance UID (0008,0018)", identity.sop_instance_uid),
        ("Study Instance UID (0020,000D)", identity.study_instance_uid),
        ("Series Instance UID (0020,000E)", identity.series_instance_uid),
    ):
        if not value:
            raise NotAccepted(Reason.NOT_UNDERSTOOD, f"{name} is missing")
        if not is_uid(value):
            raise NotAccepted(Reason.NOT_UNDERSTOOD, f"{name} is no UID")
    for name, value, wanted in (
        ("SOP Class UID", identity.sop_class_uid, expected.sop_class_uid),
        ("SOP Instance UID", identity.sop_instance_uid, expected.sop_instance_uid),
        ("Study Instance UID", identity.study_instance_uid, expected.study_instance_uid),
    ):
        if wanted is not None and value != wanted:
            raise NotAccepted(Reason.MISMATCH, f"{name} differs between message and data set")

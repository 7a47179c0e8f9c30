"""DIMSE statuses (PS3.7 Annex C; PS3.4 for each service) and the comment that goes with them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
CANCEL: Final = 0xFE00
COMMENT_LENGTH: Final = 64
"""Error Comment (0000,0902) is an LO."""


class General(IntEnum):
    """Statuses that any service may answer (PS3.7 Annex C.5)."""

    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_SOP_INSTANCE = 0x0117
    NO_SUCH_SOP_CLASS = 0x0118
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213


class Store(IntEnum):
    """C-STORE (PS3.4 table B.2-1)."""

    OUT_OF_RESOURCES = 0xA700
    DATA_SET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class Find(IntEnum):
    """C-FIND (PS3.4 tables C.4-1, K.4-2)."""

    OUT_OF_RESOURCES = 0xA700
    IDENTIFIER_MISMATCH = 0xA900
    UNABLE_TO_PROCESS = 0xC000
    PENDING = 0xFF00
    PENDING_WITHOUT_SOME_KEYS = 0xFF01


class Retrieve(IntEnum):
    """C-GET and C-MOVE (PS3.4 tables C.4-2, C.4-3)."""

    OUT_OF_RESOURCES_MATCHES = 0xA701
    OUT_OF_RESOURCES_SUB_OPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    IDENTIFIER_MISMATCH = 0xA900
    SUB_OPERATIONS_FAILED = 0xB000
    """One or more failed or ended with a warning: itself a warning."""


class ErrorId(IntEnum):
    """Error ID (0000,0903) of Modality Performed Procedure Step (PS3.4 table F.7.2-2)."""

    NO_LONGER_UPDATABLE = 0xA710


@dataclass(frozen=True, slots=True)
class Status:
    """An answer's status.

    `comment` must be free of PHI: names of attributes and rules, never their values. `offending` are the tags of
    Offending Element (0000,0901).
    """

    code: int
    comment: str = ""
    error_id: int | None = None
    offending: tuple[int, ...] = ()

    @property
    def is_taken(self) -> bool:
        """Whether it says success, or a warning (PS3.7 Annex C.1): what was sent is there."""
        return self.code in {SUCCESS, 0x0001, 0x0107, 0x0116} or self.code >> 12 == 0xB

    @property
    def error_comment(self) -> str:
        """The comment as it may be sent: the default repertoire, no backslash, at most 64 characters."""
        if not self.comment:
            return ""
        plain = self.comment.encode("ascii", "replace").decode("ascii").replace("\\", "/")
        return "".join(sign if sign.isprintable() else " " for sign in plain)[:COMMENT_LENGTH]


OK: Final = Status(SUCCESS)

"""Enhanced mode: a sender says by MSH-15 and MSH-16 which acknowledgements it wants (HL7 v2.5.1 ch. 2.9.3).

The accept acknowledgement comes first, then the application's reply, both on the connection of the message. What is
here is never only kept for later: the reply is known when the message is committed, so both go out together.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fj_hl7.errors import AckCode, CommitCode
from fj_hl7.message import Message


class Condition(StrEnum):
    """HL7 table 0155: when an acknowledgement is wanted."""

    ALWAYS = "AL"
    NEVER = "NE"
    ERROR = "ER"
    SUCCESS = "SU"


_WANTED: Final[Mapping[Condition, frozenset[bool]]] = MappingProxyType(
    {
        Condition.ALWAYS: frozenset((True, False)),
        Condition.NEVER: frozenset(),
        Condition.ERROR: frozenset((False,)),
        Condition.SUCCESS: frozenset((True,)),
    }
)
"""By condition: whether success (True), whether failure (False)."""
_CONDITIONS: Final[Mapping[str, Condition]] = MappingProxyType({condition.value: condition for condition in Condition})


class Mode:
    """Which acknowledgements the sender of a message wants."""

    def __init__(self, message: Message) -> None:
        self._accept = _condition(message, 15)
        self._reply = _condition(message, 16)
        if self._accept is Condition.NEVER and self._reply is None:
            self._accept = None  # it wants no accept acknowledgement, and says nothing of the reply: that comes as ever

    @property
    def enhanced(self) -> bool:
        """Whether one of the two fields says something; else the application's reply is all there is."""
        return self._accept is not None or self._reply is not None

    def commit_code(self, code: AckCode, *, kept: bool) -> CommitCode:
        """MSA-1 of the accept acknowledgement.

        A refused message is one that was taken when it is `kept` and a reply will say so. To a sender that wants no
        reply the refusal is told as an error of the commit: CA alone would pass for success.
        """
        if code is AckCode.AA:
            return CommitCode.CA
        if code is AckCode.AR:
            return CommitCode.CR
        return CommitCode.CA if kept and _wants(self._reply, success=False) else CommitCode.CE

    def wants_accept(self, commit: CommitCode) -> bool:
        """Whether an accept acknowledgement with this code goes out."""
        return _wants(self._accept, success=commit is CommitCode.CA)

    def wants_reply(self, code: AckCode, commit: CommitCode) -> bool:
        """Whether the reply goes out: none follows a commit that is told to have failed."""
        told = commit is not CommitCode.CA and self.wants_accept(commit)
        return not told and _wants(self._reply, success=code is AckCode.AA)


def _condition(message: Message, field: int) -> Condition | None:
    return _CONDITIONS.get(message.header.get(field).strip().upper())


def _wants(condition: Condition | None, *, success: bool) -> bool:
    return condition is not None and success in _WANTED[condition]

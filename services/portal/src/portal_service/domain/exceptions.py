"""Which facts a person has to look at, and which say that there is nothing to look at any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_events import (
    ExamCancelled,
    ExamCompleted,
    ExamPutBack,
    Fact,
    MessageRefused,
    MessageSettled,
    StudyConflicted,
    StudyDamaged,
    StudyMatched,
    StudyRestored,
    StudyUnmatched,
)

RAISED: Final[Mapping[type[Fact], str]] = MappingProxyType(
    {
        ExamPutBack: "wrong worklist entry",
        MessageRefused: "refused message",
        StudyConflicted: "UID conflict",
        StudyDamaged: "damaged study",
        StudyUnmatched: "unmatched study",
    }
)
"""What a fact puts on the list."""
ENDED: Final[Mapping[type[Fact], str]] = MappingProxyType(
    {
        ExamCancelled: RAISED[ExamPutBack],
        ExamCompleted: RAISED[ExamPutBack],
        MessageSettled: RAISED[MessageRefused],
        StudyMatched: RAISED[StudyUnmatched],
        StudyRestored: RAISED[StudyDamaged],
    }
)
"""What a fact takes off the list, of the same key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An entry of the exceptions list, free of PHI."""

    event_id: UUID
    kind: str
    key: str
    """Of the fact: the Study Instance UID, for facts about a study; room and digest of a refused message."""
    site: str
    since: datetime
    summary: str

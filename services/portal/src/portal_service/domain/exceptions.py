"""Which facts a person has to look at, and which say that there is nothing to look at any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from fj_events import (
    ExamCancelled,
    ExamCompleted,
    ExamPutBack,
    Fact,
    MessageRefused,
    MessageSettled,
    PatientLinked,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
    Source,
    StudyConflicted,
    StudyConflictSettled,
    StudyDamaged,
    StudyMatched,
    StudyRecalled,
    StudyRelinked,
    StudyRemovalDelayed,
    StudyRemoved,
    StudyRestored,
    StudyUnmatched,
    WorkGivenUp,
    WorkKind,
    WorkSettled,
)


class Kind(StrEnum):
    """Why something is on the list."""

    UNCONFIRMED_STUDY = "unconfirmed study"
    """It shows somebody else than its number is of."""
    UNMATCHED_STUDY = "unmatched study"
    WRONG_ENTRY = "wrong worklist entry"
    DUPLICATE_ACCESSION = "duplicate accession"
    """Orders of two patients have one accession number of one issuer."""
    UNKNOWN_PATIENT = "unknown patient"
    """Only images have named them."""
    REFUSED_MESSAGE = "refused message"
    UID_CONFLICT = "UID conflict"
    DAMAGED_STUDY = "damaged study"
    DELAYED_REMOVAL = "delayed removal"
    """It should be gone, and something is waited for."""
    FAILED_SENDING = "failed sending"
    """MPPS, images, announcements, results of storage commitment or HL7 messages that a receiver did not take."""
    UNREADABLE_NOTE = "unreadable rejection note"
    """It may say that images are not to be used."""
    FAILED_COMPARISON = "failed comparison"
    """A study's objects may say something else of patient and order than what is known now."""
    CHANGE_NOT_DONE = "change not done"
    """A placer wanted it of an order before that came; then it could not be done, or the order did not come."""
    APPOINTMENT_WITHOUT_ORDER = "appointment without order"
    """A scheduling system names no order that it is for."""


HOMELESS: Final = (Kind.UNCONFIRMED_STUDY, Kind.UNMATCHED_STUDY)
OF_STUDIES: Final = (*HOMELESS, Kind.UID_CONFLICT, Kind.DAMAGED_STUDY, Kind.DELAYED_REMOVAL)
DISMISSABLE: Final = (Kind.WRONG_ENTRY, Kind.DUPLICATE_ACCESSION, Kind.UNKNOWN_PATIENT, Kind.UID_CONFLICT)
"""A person may say that nothing is to be done. Of the others their owner is told, or the images wait for an order."""
OF_WORK: Final = (
    Kind.FAILED_SENDING,
    Kind.UNREADABLE_NOTE,
    Kind.FAILED_COMPARISON,
    Kind.CHANGE_NOT_DONE,
    Kind.APPOINTMENT_WITHOUT_ORDER,
)
_OF_KIND: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        WorkKind.REJECTION_NOTE: Kind.UNREADABLE_NOTE,
        WorkKind.SECOND_LOOK: Kind.FAILED_COMPARISON,
        WorkKind.EARLY_CHANGE: Kind.CHANGE_NOT_DONE,
        WorkKind.APPOINTMENT: Kind.APPOINTMENT_WITHOUT_ORDER,
    }
)
"""What is given up, where it is not that somebody did not take something."""
_BY_IMAGES: Final = frozenset({Source.DIMSE, Source.DICOMWEB})


def raised_by(fact: Fact) -> Kind | None:
    """What a fact puts on the list."""
    judge = _RAISED.get(type(fact))
    return judge(fact) if judge else None


def ended_by(fact: Fact) -> tuple[Kind, ...]:
    """What a fact takes off the list, of the same key; before it puts something there."""
    judge = _ENDED.get(type(fact))
    return judge(fact) if judge else ()


def _mistaken(fact: ExamPutBack) -> Kind | None:
    """Not where a person had linked the images to another order: that is what put it back."""
    return Kind.WRONG_ENTRY if fact.discontinuation_reason else None


def _unmatched(fact: StudyUnmatched) -> Kind:
    return Kind.UNCONFIRMED_STUDY if fact.contradicted_by else Kind.UNMATCHED_STUDY


def _unknown(fact: PatientRegistered) -> Kind | None:
    return Kind.UNKNOWN_PATIENT if fact.provisional and fact.source in _BY_IMAGES else None


def _given_up(fact: WorkGivenUp) -> Kind:
    return _OF_KIND.get(fact.kind, Kind.FAILED_SENDING)


def _announced(fact: PatientRegistered | PatientUpdated) -> tuple[Kind, ...]:
    return () if fact.provisional else (Kind.UNKNOWN_PATIENT,)


_RAISED: Final[Mapping[type[Fact], Callable[[Any], Kind | None]]] = MappingProxyType(
    {
        ExamPutBack: _mistaken,
        MessageRefused: lambda _: Kind.REFUSED_MESSAGE,
        PatientRegistered: _unknown,
        StudyConflicted: lambda _: Kind.UID_CONFLICT,
        StudyDamaged: lambda _: Kind.DAMAGED_STUDY,
        StudyRemovalDelayed: lambda _: Kind.DELAYED_REMOVAL,
        StudyRelinked: lambda fact: None if fact.order_id else Kind.UNMATCHED_STUDY,
        StudyUnmatched: _unmatched,
        WorkGivenUp: _given_up,
    }
)
_ENDED: Final[Mapping[type[Fact], Callable[[Any], tuple[Kind, ...]]]] = MappingProxyType(
    {
        ExamCancelled: lambda _: (Kind.WRONG_ENTRY,),
        ExamCompleted: lambda _: (Kind.WRONG_ENTRY,),
        MessageRefused: lambda _: (Kind.REFUSED_MESSAGE,),
        MessageSettled: lambda _: (Kind.REFUSED_MESSAGE,),
        PatientLinked: lambda _: (Kind.UNKNOWN_PATIENT,),
        PatientMerged: lambda _: (Kind.UNKNOWN_PATIENT,),
        PatientRegistered: _announced,
        PatientUpdated: _announced,
        StudyConflictSettled: lambda _: (Kind.UID_CONFLICT,),
        StudyMatched: lambda _: HOMELESS,
        StudyRecalled: lambda _: (Kind.DELAYED_REMOVAL,),
        StudyRelinked: lambda _: HOMELESS,
        StudyRemoved: lambda _: OF_STUDIES,
        StudyRestored: lambda _: (Kind.DAMAGED_STUDY,),
        StudyUnmatched: lambda _: HOMELESS,
        WorkGivenUp: lambda _: OF_WORK,
        WorkSettled: lambda _: OF_WORK,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """A person has looked at an entry: nothing is to be done."""

    exception_id: UUID
    """The entry that they looked at. Of orders that share an accession number it stands for each one's entry."""
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person did, in words free of PHI."""

    event_id: UUID
    at: datetime
    site: str
    actor: str
    summary: str


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
    address: str | None = None
    """Where its owner shows it, and takes what is done about it."""
    about: str | None = None
    """The exam or study, where that is not the key."""
    dismissal: Dismissal | None = None


AGES: Final[Mapping[str, timedelta]] = MappingProxyType(
    {"an hour": timedelta(hours=1), "a day": timedelta(days=1), "a week": timedelta(weeks=1), "longer": timedelta.max}
)
"""How long entries wait, as they are counted: up to so long."""


def age_of(waited: timedelta) -> str:
    """The name of the first age that it does not exceed."""
    return next(name for name, most in AGES.items() if waited <= most)

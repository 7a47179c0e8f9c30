"""Which facts a person has to look at, and which say that there is nothing to look at any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from fj_events import (
    DeliveryAbandoned,
    DeliveryDelivered,
    DeliveryKind,
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
)


class Kind(StrEnum):
    """Why something is on the list."""

    UNCONFIRMED_STUDY = "unconfirmed study"
    """It shows somebody else than the order of its number is for."""
    UNMATCHED_STUDY = "unmatched study"
    WRONG_ENTRY = "wrong worklist entry"
    DUPLICATE_ACCESSION = "duplicate accession"
    """Orders of two patients have one accession number of one issuer."""
    UNKNOWN_PATIENT = "unknown patient"
    """Only images have named them."""
    REFUSED_MESSAGE = "refused message"
    UNTOLD_PATIENT = "untold patient"
    """A destination that follows patients would not hear of a change, a merge, or its undoing."""
    UID_CONFLICT = "UID conflict"
    DAMAGED_STUDY = "damaged study"
    DELAYED_REMOVAL = "delayed removal"
    """It should be gone, and something is waited for."""


HOMELESS: Final = (Kind.UNCONFIRMED_STUDY, Kind.UNMATCHED_STUDY)
OF_STUDIES: Final = (*HOMELESS, Kind.UID_CONFLICT, Kind.DAMAGED_STUDY, Kind.DELAYED_REMOVAL)
_BY_IMAGES: Final = frozenset({Source.DIMSE, Source.DICOMWEB})


def key_of(fact: Fact) -> str:
    """What an entry is about: what the fact is about, or of a message that was given up the delivery."""
    return str(fact.delivery_id) if isinstance(fact, DeliveryAbandoned | DeliveryDelivered) else fact.key


def raised_by(fact: Fact) -> Kind | None:
    """What a fact puts on the list."""
    judge = _RAISED.get(type(fact))
    return judge(fact) if judge else None


def ended_by(fact: Fact) -> tuple[Kind, ...]:
    """What a fact takes off the list, of the same key; before it puts something there."""
    judge = _ENDED.get(type(fact))
    return judge(fact) if judge else ()


def _unmatched(fact: StudyUnmatched) -> Kind:
    return Kind.UNCONFIRMED_STUDY if fact.contradicted_by else Kind.UNMATCHED_STUDY


def _unknown(fact: PatientRegistered) -> Kind | None:
    return Kind.UNKNOWN_PATIENT if fact.provisional and fact.source in _BY_IMAGES else None


def _announced(fact: PatientRegistered | PatientUpdated) -> tuple[Kind, ...]:
    return () if fact.provisional else (Kind.UNKNOWN_PATIENT,)


def _untold(fact: DeliveryAbandoned) -> Kind | None:
    """What is about an exam is shown with the exam."""
    return Kind.UNTOLD_PATIENT if fact.kind == DeliveryKind.PATIENTS else None


_RAISED: Final[Mapping[type[Fact], Callable[[Any], Kind | None]]] = MappingProxyType(
    {
        DeliveryAbandoned: _untold,
        ExamPutBack: lambda _: Kind.WRONG_ENTRY,
        MessageRefused: lambda _: Kind.REFUSED_MESSAGE,
        PatientRegistered: _unknown,
        StudyConflicted: lambda _: Kind.UID_CONFLICT,
        StudyDamaged: lambda _: Kind.DAMAGED_STUDY,
        StudyRemovalDelayed: lambda _: Kind.DELAYED_REMOVAL,
        StudyRelinked: lambda fact: None if fact.order_id else Kind.UNMATCHED_STUDY,
        StudyUnmatched: _unmatched,
    }
)
_ENDED: Final[Mapping[type[Fact], Callable[[Any], tuple[Kind, ...]]]] = MappingProxyType(
    {
        DeliveryDelivered: lambda _: (Kind.UNTOLD_PATIENT,),
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
    }
)


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


AGES: Final[Mapping[str, timedelta]] = MappingProxyType(
    {"an hour": timedelta(hours=1), "a day": timedelta(days=1), "a week": timedelta(weeks=1), "longer": timedelta.max}
)
"""How long entries wait, as they are counted: up to so long."""


def age_of(waited: timedelta) -> str:
    """The name of the first age that it does not exceed."""
    return next(name for name, most in AGES.items() if waited <= most)

"""Who a patient is, and what becomes of it when somebody says something new.

Two kinds of witness speak of patients. The registration system (ADT) is the authority: what it says holds. An order or
a study only mentions a patient: it registers whom nobody announced, as provisional, and fills in what is not known.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import Identifier, PatientPhi, Source

_NUMBERS: Final = ("id", "other_ids")
_DEMOGRAPHICS: Final = tuple(
    name for name in PatientPhi.model_fields if name not in (*_NUMBERS, "key_id", "ciphertext")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient under one number of one issuer."""

    patient_id: UUID
    site: str
    provisional: bool
    source: Source
    details: PatientPhi
    merged_ids: tuple[Identifier, ...] = ()
    """Numbers that are this patient's by a merge."""

    @property
    def public(self) -> PatientPhi:
        """What others are told: with the numbers that were merged into this one."""
        others = tuple(dict.fromkeys(n for n in (*self.details.other_ids, *self.merged_ids) if n != self.details.id))
        return self.details.model_copy(update={"other_ids": others})


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What somebody says of a patient. `details` has an `id`; fields named in `nulls` are to be deleted."""

    patient_id: UUID
    site: str
    source: Source
    details: PatientPhi
    nulls: frozenset[str] = field(default_factory=frozenset)
    registered_at: datetime | None = None
    """When the sender registered the patient (A01, A04, A05, A28); None where the message only tells more."""


def registered(news: News, *, provisional: bool) -> Patient:
    """A patient that nobody spoke of before."""
    return Patient(
        patient_id=news.patient_id,
        site=news.site,
        provisional=provisional,
        source=news.source,
        details=news.details,
    )


def announced(known: Patient, news: News) -> Patient:
    """The patient after the registration system spoke: its values hold, what it leaves out stays, nulls are deleted."""
    said = {name: value for name in _DEMOGRAPHICS if (value := getattr(news.details, name)) is not None}
    deleted = dict.fromkeys(name for name in news.nulls if name in _DEMOGRAPHICS)
    details = known.details.model_copy(update={**said, **deleted, "other_ids": _numbers(known, news)})
    return replace(known, provisional=False, details=details)


def mentioned(known: Patient, news: News) -> Patient:
    """The patient after an order or study named it: only a provisional one learns, and only what it lacks."""
    if not known.provisional:
        return known
    blanks = {
        name: value
        for name in _DEMOGRAPHICS
        if getattr(known.details, name) is None and (value := getattr(news.details, name)) is not None
    }
    details = known.details.model_copy(update={**blanks, "other_ids": _numbers(known, news)})
    return replace(known, details=details)


def identifiers(patient: Patient) -> tuple[Identifier, ...]:
    """Every number that is the patient's own, the main one first."""
    main = patient.details.id
    return ((main,) if main else ()) + patient.details.other_ids


def without(patient: Patient, numbers: Collection[Identifier]) -> Patient:
    """The patient after further numbers turned out not to be theirs, or were replaced."""
    kept = tuple(number for number in patient.details.other_ids if number not in numbers)
    return replace(patient, details=patient.details.model_copy(update={"other_ids": kept}))


def _numbers(known: Patient, news: News) -> tuple[Identifier, ...]:
    """Numbers only add up: that one is no longer in use is for a merge to say."""
    added = (*known.details.other_ids, *news.details.other_ids)
    return tuple(dict.fromkeys(number for number in added if number != known.details.id))

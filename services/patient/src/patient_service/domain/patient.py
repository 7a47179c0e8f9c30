"""Who a patient is, and what becomes of it when somebody says something new.

The registration system (ADT) is the authority: what it says holds, the newest word of it first. An order or a study
registers whom nobody announced, as provisional, and is believed where the authority has said nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import Identifier, PatientPhi, Source

from patient_service.domain import demographics
from patient_service.domain.demographics import ITEMS, Demographics, Witness, Word, Words

_AT_A_MODALITY: Final = frozenset({Source.DIMSE, Source.DICOMWEB})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient under one number of one issuer."""

    patient_id: UUID
    site: str
    provisional: bool
    source: Source
    details: PatientPhi
    words: Words = field(default_factory=dict)
    """On whose word the demographics are."""
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
    at: datetime
    """When it was so, as the sender says; a time in the future counts as now."""
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
        words=_said(news, announces=not provisional),
    )


def announced(known: Patient, news: News) -> Patient:
    """The patient after the registration system spoke: what it leaves out stays, nulls are deleted."""
    return replace(_heard(known, news, announces=True), provisional=False)


def mentioned(known: Patient, news: News) -> Patient:
    """The patient after an order, a study or a merge named it: nothing that ADT said is changed by it."""
    return _heard(known, news, announces=False)


def renamed(known: Patient, prior: Patient) -> Patient:
    """The patient under a new number (A47): what was known under the old one goes with it."""
    now = demographics.heard(_believed(prior), _believed(known), provisional=prior.provisional)
    items = {name: getattr(now.details, name) for names in ITEMS.values() for name in names}
    provisional = known.provisional and prior.provisional
    return replace(known, provisional=provisional, details=known.details.model_copy(update=items), words=now.words)


def told_before(known: Patient, news: News) -> Patient:
    """The patient under a new number after the registration system spoke of the old one. Its numbers came with it."""
    return announced(known, replace(news, details=news.details.model_copy(update={"other_ids": ()})))


def identifiers(patient: Patient) -> tuple[Identifier, ...]:
    """Every number that is the patient's own, the main one first."""
    main = patient.details.id
    return ((main,) if main else ()) + patient.details.other_ids


def without(patient: Patient, numbers: Collection[Identifier]) -> Patient:
    """The patient after further numbers turned out not to be theirs, or were replaced."""
    kept = tuple(number for number in patient.details.other_ids if number not in numbers)
    return replace(patient, details=patient.details.model_copy(update={"other_ids": kept}))


def _heard(known: Patient, news: News, *, announces: bool) -> Patient:
    told = Demographics(news.details, _said(news, announces=announces))
    now = demographics.heard(_believed(known), told, provisional=known.provisional)
    details = now.details.model_copy(update={"other_ids": _numbers(known, news)})
    return replace(known, details=details, words=now.words)


def _believed(patient: Patient) -> Demographics:
    return Demographics(patient.details, patient.words)


def _said(news: News, *, announces: bool) -> Words:
    mention = Witness.IMAGES if news.source in _AT_A_MODALITY else Witness.ORDER
    word = Word(Witness.REGISTRATION if announces else mention, news.at)
    return demographics.said(news.details, word, news.nulls if announces else frozenset())


def _numbers(known: Patient, news: News) -> tuple[Identifier, ...]:
    """Numbers only add up: that one is no longer in use is for a merge to say."""
    added = (*known.details.other_ids, *news.details.other_ids)
    return tuple(dict.fromkeys(number for number in added if number != known.details.id))

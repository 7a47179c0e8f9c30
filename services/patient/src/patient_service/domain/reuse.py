"""Numbers that are given out again: when a merge comes after the registration of the next holder.

What the registration system announced of a number is kept by its time, so that the order in which messages arrive
does not decide whose the records are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fj_events import PatientPhi

from patient_service.domain.demographics import ITEMS
from patient_service.domain.merge import is_somebody_else
from patient_service.domain.patient import News, Patient

_TELLING: Final = ("family_name", "birth_date", "sex")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What tells one person from another, as it was announced."""

    at: datetime
    registers: bool
    details: PatientPhi


def announcement(news: News, before: Patient | None) -> Announcement | None:
    """What is to be kept of an announcement: each registration, and what an update says anew."""
    details = _telling(news.details)
    if news.registered_at is not None:
        return Announcement(at=news.registered_at, registers=True, details=details)
    if before is None or _telling(before.details) != details:
        return Announcement(at=news.at, registers=False, details=details)
    return None


def given_away(merged_at: datetime, survivor: PatientPhi, announced: Iterable[Announcement]) -> datetime | None:
    """When the number was first registered for somebody else after a merge; None where it was not."""
    prior = PatientPhi()
    for each in sorted(announced, key=lambda one: (one.at, one.registers)):
        late = each.registers and each.at > merged_at
        if late and is_somebody_else(each.details, prior, survivor):
            return each.at
        said = {name: value for name in _TELLING if (value := getattr(each.details, name)) is not None}
        prior = prior.model_copy(update=said)
    return None


def since(known: Patient, at: datetime) -> Patient:
    """The present holder of a number: what was said before is of the former one."""
    words = {item: word for item, word in known.words.items() if word.at >= at}
    of_former = dict.fromkeys(name for item, names in ITEMS.items() if item not in words for name in names)
    details = known.details.model_copy(update={**of_former, "other_ids": ()})
    return replace(known, details=details, words=words)


def _telling(details: PatientPhi) -> PatientPhi:
    return PatientPhi(**{name: getattr(details, name) for name in _TELLING})

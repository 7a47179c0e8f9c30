"""Numbers that are given out again: when a merge comes after the registration of the next holder.

What the registration system announced of a number is kept by its time, so that the order in which messages arrive
does not decide whose the records are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from fj_events import PatientPhi

from patient_service.domain.demographics import ITEMS
from patient_service.domain.merge import Merge, Number, is_somebody_else
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


def reused(known: Number, survivors: Mapping[Merge, PatientPhi], announced: Iterable[Announcement]) -> Number:
    """The number after a look for all times when it was registered for somebody else after a merge.

    What was found once holds: later words about the survivor do not give anybody's records away.
    """
    found = set(known.reused)
    start = datetime.min.replace(tzinfo=UTC)
    prior = PatientPhi()
    for each in sorted(announced, key=lambda one: (one.at, one.registers)):
        last = max((at for at in found if at <= each.at), default=start)
        if last > start:
            start, prior = last, PatientPhi()
        if each.registers and _ends(start, each, prior, known, survivors):
            found.add(each.at)
            start, prior = each.at, PatientPhi()
        prior = _heard(prior, each)
    return replace(known, reused=tuple(sorted(found)))


def as_announced(announced: Iterable[Announcement], start: datetime | None, until: datetime) -> PatientPhi:
    """What was announced of who had a number in that time."""
    details = PatientPhi()
    for each in sorted(announced, key=lambda one: (one.at, one.registers)):
        if each.at < until and (start is None or each.at >= start):
            details = _heard(details, each)
    return details


def _ends(
    start: datetime, each: Announcement, prior: PatientPhi, known: Number, survivors: Mapping[Merge, PatientPhi]
) -> bool:
    """Whether a registration is of somebody else than the number's holder, whom a merge had given another number."""
    before = [merge for merge in known.merges if start <= merge.at < each.at]
    merge = max(before, key=lambda one: one.order, default=None)
    return merge is not None and not merge.undone and is_somebody_else(each.details, prior, survivors[merge])


def _heard(details: PatientPhi, each: Announcement) -> PatientPhi:
    said = {name: value for name in _TELLING if (value := getattr(each.details, name)) is not None}
    return details.model_copy(update=said)


def since(known: Patient, at: datetime) -> Patient:
    """The present holder of a number: what was said before is of the former one."""
    words = {item: word for item, word in known.words.items() if word.at >= at}
    of_former = dict.fromkeys(name for item, names in ITEMS.items() if item not in words for name in names)
    details = known.details.model_copy(update={**of_former, "other_ids": ()})
    return replace(known, details=details, words=words)


def _telling(details: PatientPhi) -> PatientPhi:
    return PatientPhi(**{name: getattr(details, name) for name in _TELLING})

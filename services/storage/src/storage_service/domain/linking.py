"""What a person says about where a study belongs. No rule decides against it, until the person's act is undone."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import Identifier, LinkAct, MatchRule

from storage_service.domain.keys import OrderKeys
from storage_service.domain.study import Study

UNLINKED: Final = "a person took it off its order"


class LinkRefused(Exception):
    """The act cannot be done. The message names no patient."""


class NotThere(LinkRefused):
    """There is no such study or order."""


class NothingToDo(LinkRefused):
    """The study is not in a state in which the act means something."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """To which order a study belongs, or to none, and who or what says so."""

    order_id: UUID | None
    order_patient_id: UUID | None
    matched_by: str | None
    match_reason: str | None
    unmatched_reason: str | None
    patient_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """An act in the history of a study, and what held before it."""

    number: int
    act: str
    actor: str
    reason: str
    at: datetime
    order_id: UUID | None
    """Since then; absent: the study belongs to none."""
    previous: Belonging


@dataclass(frozen=True, slots=True)
class LinkOverview:
    """An act as others see it, and the place of the study after it."""

    number: int
    act: str
    actor: str
    reason: str
    at: datetime
    previous_order_id: UUID | None
    previous_accession_number: Identifier | None
    order_id: UUID | None
    accession_number: Identifier | None


def belonging(study: Study) -> Belonging:
    """Where a study belongs now."""
    return Belonging(
        study.order_id,
        study.order_patient_id,
        study.matched_by,
        study.match_reason,
        study.unmatched_reason,
        study.patient_confirmed,
    )


def linked(study: Study, order: OrderKeys, actor: str) -> Study | None:
    """The study, belonging to the order that a person chose; None where it does already, by whatever rule."""
    if study.order_id == order.order_id:
        return None
    reason = f"linked by {actor}"
    place = Belonging(
        order.order_id, order.patient_id, MatchRule.PERSON, reason, None, patient_confirmed=study.patient_confirmed
    )
    return placed(study, place)


def unlinked(study: Study, actor: str) -> Study | None:
    """The study, belonging to none because a person says so; None where that was said. Raises NothingToDo."""
    if study.order_id is None and study.matched_by == MatchRule.PERSON:
        return None
    if study.order_id is None:
        raise NothingToDo("The study belongs to no order")
    reason = f"unlinked by {actor}"
    place = Belonging(None, None, MatchRule.PERSON, None, reason, patient_confirmed=study.patient_confirmed)
    return placed(study, place)


def confirmed(study: Study) -> Study | None:
    """The study, of whom its patient's number is of, as a person says; None where that was said. Raises NothingToDo."""
    if study.patient_confirmed:
        return None
    if not study.contradicted_by:
        raise NothingToDo("The study shows nobody else than its number is of")
    return placed(study, replace(belonging(study), unmatched_reason=None, patient_confirmed=True))


def undone(study: Study, newest: LinkEntry | None) -> Study | None:
    """The study as it was before the newest act; None where that act is an undo. Raises NothingToDo."""
    if newest is None:
        raise NothingToDo("Nobody has linked or unlinked the study")
    return None if newest.act == LinkAct.UNDO else placed(study, newest.previous)


def placed(study: Study, place: Belonging) -> Study:
    """The study at a place."""
    return replace(
        study,
        order_id=place.order_id,
        order_patient_id=place.order_patient_id,
        matched_by=place.matched_by,
        match_reason=place.match_reason,
        unmatched_reason=place.unmatched_reason,
        patient_confirmed=place.patient_confirmed,
        contradicted_by=(),  # a person has looked; where rules have their say again, they say it anew
        unconfirmed_order_id=None,
    )

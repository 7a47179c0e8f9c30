"""To which order a study belongs, and why (law 9).

The strongest rule that finds something decides: the Study Instance UID, then the accession number with its issuer. The
patient alone decides only when the study is complete, its images carry no accession number, and exactly one open order
of that patient fits in modality and day: an accession number that no order has may be that of one still on its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from fj_events import Identifier, MatchRule


@dataclass(frozen=True, slots=True)
class OrderKeys:
    """By what an order can be recognised."""

    order_id: UUID
    patient_id: UUID
    """As the order names the patient."""
    whose: UUID
    """Who that is after merges."""
    accession_number: Identifier
    study_instance_uid: str
    modalities: tuple[str, ...]
    """Empty where neither the order nor its plan says."""
    day: date
    """For which it was asked, in its site's time zone."""
    placed_at: datetime
    open: bool
    """Neither cancelled nor completed, and no study is matched to it."""


@dataclass(frozen=True, slots=True)
class StudyKeys:
    """What the images of a study say about where they belong."""

    study_instance_uid: str
    accession_number: Identifier | None
    patient_ids: frozenset[UUID]
    """All ids by which the patient of the images is known; empty where they name none."""
    modalities: tuple[str, ...]
    day: date
    """The study date, else the day on which it came."""


@dataclass(frozen=True, slots=True)
class Match:
    """The study belongs to this order."""

    order: OrderKeys
    matched_by: MatchRule
    reason: str


@dataclass(frozen=True, slots=True)
class NoMatch:
    """No order fits."""

    reason: str


def match(study: StudyKeys, orders: Sequence[OrderKeys], *, complete: bool, window: timedelta) -> Match | NoMatch:
    """The order of a study among those that share its UID, its accession number or its patient."""
    if by_uid := [order for order in orders if order.study_instance_uid == study.study_instance_uid]:
        return Match(_first(by_uid, study), MatchRule.STUDY_UID, "the Study Instance UID is the order's")
    if study.accession_number is None:
        return _by_patient(study, orders, window) if complete else NoMatch("the study is still arriving")
    if by_accession := [order for order in orders if order.accession_number == study.accession_number]:
        reason = f"the accession number {study.accession_number} is the order's; its Study Instance UID differs"
        return Match(_first(by_accession, study), MatchRule.ACCESSION, reason)
    return NoMatch(f"no order has this Study Instance UID or the accession number {study.accession_number}")


def _first(orders: Sequence[OrderKeys], study: StudyKeys) -> OrderKeys:
    """Several orders can share a study: the open one with the same accession number, placed first."""
    return min(
        orders,
        key=lambda order: (
            order.accession_number != study.accession_number,
            not order.open,
            order.placed_at,
            order.order_id,
        ),
    )


def _by_patient(study: StudyKeys, orders: Sequence[OrderKeys], window: timedelta) -> Match | NoMatch:
    bare = "the images carry no accession number"
    if not study.patient_ids:
        return NoMatch(f"{bare} and no patient number")
    # An order whose modality nobody knows could be the one: it counts, but it is never chosen.
    near = [
        order
        for order in orders
        if order.open
        and order.whose in study.patient_ids
        and abs(order.day - study.day) <= window
        and (not order.modalities or not set(order.modalities).isdisjoint(study.modalities))
    ]
    wanted = " or ".join(study.modalities) or "fitting"
    within = f"open {wanted} order of this patient within {window.days} d"
    if len(near) != 1:
        return NoMatch(f"{bare}, and there is {'no' if not near else f'more than one ({len(near)})'} {within}")
    if not near[0].modalities:
        return NoMatch(f"{bare}, and the modality of the only {within} is not known")
    return Match(near[0], MatchRule.PATIENT, f"{bare}; this is the only {within}")

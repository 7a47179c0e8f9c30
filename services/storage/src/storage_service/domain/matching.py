"""To which order a study belongs, and why (law 9).

The strongest rule that finds something decides: the Study Instance UID, then the accession number with its issuer,
then the requested procedure or scheduled step and the patient. The patient alone decides only when the study is
complete, its images carry no accession number, and exactly one open order of that patient fits in modality and day: an
accession number that no order has may be that of one still on its way. Where the images show somebody else than the
order is for, no number makes them its own: a person decides (decision 10). Nor does a number that orders of two
patients have, unless the images say whose they are (decision 16).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from fj_events import MatchRule, PatientPhi

from storage_service.domain.agreement import Finding, agrees_by_name, compared, contradictions, score, strangers
from storage_service.domain.keys import OrderKeys, StudyKeys


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
    contradicted_by: tuple[str, ...] = ()
    """What of the images contradicts the order whose number they carry, or whom their patient's number is of."""
    order_id: UUID | None = None
    """That order."""
    order_to_come: bool = False
    """The images carry a number that no order has: one may be on its way here (decision 21)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that a study might belong to, for a person to choose."""

    order: OrderKeys
    score: int
    findings: tuple[Finding, ...]


CANDIDATES_MAX: Final = 20
_OF_THEIR_PATIENT: Final = (MatchRule.STEP, MatchRule.PATIENT)
"""Rules that look among the orders of the patient whom the images name."""


def match(study: StudyKeys, orders: Sequence[OrderKeys], *, complete: bool, window: timedelta) -> Match | NoMatch:
    """The order of a study among those that share its UID, its accession number or its patient."""
    if by_uid := [order for order in orders if order.study_instance_uid == study.study_instance_uid]:
        return _confirmed(by_uid, study, MatchRule.STUDY_UID, "the Study Instance UID is the order's")
    if study.accession_number is None:
        return _by_step(study, orders) or (
            _by_patient(study, orders, window) if complete else NoMatch("the study is still arriving")
        )
    if by_accession := [order for order in orders if order.accession_number == study.accession_number]:
        reason = f"the accession number {study.accession_number} is the order's; its Study Instance UID differs"
        return _confirmed(by_accession, study, MatchRule.ACCESSION, reason)
    unheard = f"no order has this Study Instance UID or the accession number {study.accession_number}"
    return NoMatch(unheard, order_to_come=True)


def candidates(study: StudyKeys, orders: Sequence[OrderKeys]) -> list[Candidate]:
    """The orders that fit best, the best one first."""
    judged = [(order, compared(study, order)) for order in orders]
    found = [Candidate(order, score(findings), findings) for order, findings in judged]
    ranked = sorted(found, key=lambda one: (-one.score, not one.order.open, one.order.placed_at, one.order.order_id))
    return ranked[:CANDIDATES_MAX]


def _confirmed(orders: Sequence[OrderKeys], study: StudyKeys, rule: MatchRule, reason: str) -> Match | NoMatch:
    """The number is an order's; of several, one that is not contradicted."""
    doubts = {order.order_id: contradictions(study, order) for order in orders}
    if fitting := [order for order in orders if not doubts[order.order_id]]:
        meant = _of_one_person(fitting, study)
        if not meant:
            return NoMatch(
                f"{reason}, and so it is of an order for another patient; the images do not say whose they are"
            )
        return Match(_first(meant, study), rule, reason)
    nearest = _first(orders, study)
    doubt = doubts[nearest.order_id]
    return NoMatch(f"{reason}, but the images show another {_words(doubt)}", doubt, nearest.order_id)


def holds(rule: str | None, study: StudyKeys, order: OrderKeys, others: Sequence[OrderKeys]) -> bool:
    """Whether nothing speaks against the order that this rule has found, beside others that share a number with it."""
    if rule in _OF_THEIR_PATIENT:
        return order.whose in study.patient_ids and not contradictions(study, order)
    shared = [order, *(other for other in others if other.order_id != order.order_id and _shares(rule, study, other))]
    return order in _of_one_person([each for each in shared if not contradictions(study, each)], study)


def _shares(rule: str | None, study: StudyKeys, order: OrderKeys) -> bool:
    if rule == MatchRule.STUDY_UID:
        return order.study_instance_uid == study.study_instance_uid
    return order.accession_number == study.accession_number


def confirmed_patient(found: NoMatch, study: StudyKeys, registered: Sequence[PatientPhi]) -> NoMatch:
    """No order fits: the patient's number says whose the images are, unless they show somebody else (decision 16)."""
    doubt = () if found.contradicted_by else strangers(study, registered)
    if not doubt:
        return found
    return NoMatch(f"{found.reason}; the images show another {_words(doubt)} than the patient of their number", doubt)


def _words(doubt: Sequence[str]) -> str:
    return " and ".join(criterion.replace("_", " ") for criterion in doubt)


def _of_one_person(orders: Sequence[OrderKeys], study: StudyKeys) -> list[OrderKeys]:
    """Of orders for several patients those for the one whom the images name; none where they do not say who that is."""
    tests: tuple[Callable[[OrderKeys], bool], ...] = (
        lambda order: order.whose in study.patient_ids,
        lambda order: agrees_by_name(study, order),
        lambda order: not order.ended,
    )
    left = list(orders)
    for test in tests:
        if len({order.whose for order in left}) > 1:
            left = [order for order in left if test(order)] or left
    return left if len({order.whose for order in left}) == 1 else []


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


def _by_step(study: StudyKeys, orders: Sequence[OrderKeys]) -> Match | NoMatch | None:
    """The modality copied the ids of its worklist entry (0040,0275), and the patient is the order's."""
    meant = [
        order
        for order in orders
        if order.whose in study.patient_ids
        and (
            order.requested_procedure_id in study.requested_procedure_ids
            or not study.step_ids.isdisjoint(order.step_ids)
        )
    ]
    reason = "the images name the requested procedure or scheduled step of this order of their patient"
    return _confirmed(meant, study, MatchRule.STEP, reason) if len(meant) == 1 else None


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
    return _confirmed(near, study, MatchRule.PATIENT, f"{bare}; this is the only {within}")

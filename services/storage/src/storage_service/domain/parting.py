"""Two who counted as one patient do not any more: whether a match rested on their being one (decision 23)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fj_events import PatientPhi

from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.matching import holds


@dataclass(frozen=True, slots=True)
class Parted:
    """Who counted as one until now."""

    ids: frozenset[UUID]
    named: tuple[PatientPhi, ...]
    """All of them, as they are known."""


def rested(rule: str | None, study: StudyKeys, order: OrderKeys, others: Sequence[OrderKeys], parted: Parted) -> bool:
    """Whether the order that this rule has found is the study's only where these are one patient.

    So nothing is doubted that holds without the merge, nor what did not hold by it: an order that went to another
    patient with its visit, or whose patient was corrected.
    """
    if holds(rule, study, order, others):
        return False
    one = min(parted.ids)
    return holds(
        rule,
        _images_of_one(study, parted),
        _of_one(order, one, parted),
        [_of_one(other, one, parted) for other in others],
    )


def _images_of_one(study: StudyKeys, parted: Parted) -> StudyKeys:
    of_them = not study.patient_ids.isdisjoint(parted.ids)
    return replace(study, patient_ids=study.patient_ids | parted.ids) if of_them else study


def _of_one(order: OrderKeys, one: UUID, parted: Parted) -> OrderKeys:
    if order.whose not in parted.ids:
        return order
    return replace(order, whose=one, named=(*order.named, *parted.named))

"""Visits and accounts that went from one patient to another: an order on one of them goes with it (ADT^A45, A44)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from fj_events import ClinicalPhi, Identifier, PatientPhi, VisitKind


class Named(NamedTuple):
    """A patient, as somebody names them."""

    patient_id: UUID
    patient: PatientPhi


class Visit(NamedTuple):
    """A visit or account."""

    kind: VisitKind
    number: Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedVisit:
    """What was said last of a visit or account."""

    visit_id: UUID
    visit: Visit
    patient_ids: frozenset[UUID]
    """All whose it has been, under every number of theirs."""
    holder: Named | None
    """Whose it is; None where all moves of it were undone."""
    at: datetime


def visits_of(clinical: ClinicalPhi) -> tuple[Visit, ...]:
    """What an order is on."""
    numbers = ((VisitKind.VISIT, clinical.visit_number), (VisitKind.ACCOUNT, clinical.account_number))
    return tuple(Visit(kind, number) for kind, number in numbers if number is not None)


def whose(named: Named, moved: Iterable[MovedVisit]) -> Named:
    """To whom an order went with its visit and account, whose moves these are, from whom its placer named.

    A visit can go after its account, or before it: each move takes along what is of one of its patients then.
    """
    for move in sorted(moved, key=lambda each: (each.at, each.visit_id)):
        if move.holder is not None and named.patient_id in move.patient_ids:
            named = move.holder
    return named

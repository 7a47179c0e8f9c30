"""Visits and accounts that went to another patient (ADT^A45, A44) or got another number (A50, A49)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

from fj_events import ClinicalPhi, Identifier, OrderDetails, PatientPhi, VisitKind

NUMBERS: Final = MappingProxyType({VisitKind.VISIT: "visit_number", VisitKind.ACCOUNT: "account_number"})
"""What an order calls the number of its visit, and of its account."""


class Visit(NamedTuple):
    """A visit or account."""

    kind: VisitKind
    number: Identifier


class Named(NamedTuple):
    """Whose an order is, and on what visit and account, as somebody says."""

    patient_id: UUID
    patient: PatientPhi
    visit_number: Identifier | None = None
    account_number: Identifier | None = None

    @classmethod
    def of(cls, details: OrderDetails) -> "Named":
        return cls(details.patient_id, details.patient).on(numbers_of(details.clinical))

    @property
    def numbers(self) -> dict[str, Identifier | None]:
        return {"visit_number": self.visit_number, "account_number": self.account_number}

    @property
    def visits(self) -> tuple[Visit, ...]:
        return tuple(Visit(kind, number) for kind, name in NUMBERS.items() if (number := self.numbers[name]))

    def on(self, numbers: Mapping[str, Identifier | None]) -> "Named":
        """The same with these numbers of visit and account."""
        return Named(self.patient_id, self.patient, numbers["visit_number"], numbers["account_number"])

    def is_same(self, other: "Named") -> bool:
        """Whether both are of one patient and on one visit and account, whatever is known of the patient."""
        return self.patient_id == other.patient_id and self.numbers == other.numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What was said last of a visit or account."""

    visit_id: UUID
    visit: Visit
    patient_ids: frozenset[UUID]
    """Of whom it was said, under every number of theirs."""
    at: datetime

    def is_about(self, named: Named) -> bool:
        return self.visit in named.visits and named.patient_id in self.patient_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedVisit(_Told):
    """Whose it is. `patient_ids`: all whose it has been."""

    holder: Named | None
    """None where all moves of it were undone."""

    def after(self, named: Named) -> Named:
        """An order on it that was so before."""
        return named if self.holder is None else self.holder.on(named.numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenumberedVisit(_Told):
    """Which number it got. `visit`: by the one before."""

    number: Identifier | None
    """None where all changes of the number were undone."""

    def after(self, named: Named) -> Named:
        """An order on it that was so before."""
        return named if self.number is None else named.on({**named.numbers, NUMBERS[self.visit.kind]: self.number})


Told = MovedVisit | RenumberedVisit


def numbers_of(clinical: ClinicalPhi) -> dict[str, Identifier | None]:
    """The numbers of visit and account."""
    return {name: getattr(clinical, name) for name in NUMBERS.values()}


def now(named: Named, told: Iterable[Told]) -> Named:
    """Whose an order is and on what by now, from what its placer named. `told`: all that was said of what it is on.

    A visit can go after its account, or before it, under the number that it had then: each word counts for what is so
    at its time. Of words of one time those come first that the others rest upon.
    """
    for _, same in groupby(sorted(told, key=lambda each: (each.at, each.visit_id)), key=lambda each: each.at):
        waiting = list(same)
        while (each := next((word for word in waiting if word.is_about(named)), None)) is not None:
            waiting.remove(each)
            named = each.after(named)
    return named

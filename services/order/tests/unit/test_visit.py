"""To whom an order goes with its visit and its account."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from fj_events import ClinicalPhi, CodedConcept, Identifier, PatientPhi, VisitKind
from order_service.domain import order as domain
from order_service.domain.order import place
from order_service.domain.visit import MovedVisit, Named, Visit, visits_of, whose

from services.order.tests.unit.builders import a_request

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBER = Identifier(value="V1", issuer="MAIN")


def somebody(number: int) -> Named:
    return Named(UUID(int=number), PatientPhi(id=Identifier(value=str(number), issuer="MAIN")))


def moved(kind: VisitKind, patients: set[int], to: int | None, minute: int) -> MovedVisit:
    return MovedVisit(
        visit_id=uuid4(),
        visit=Visit(kind, NUMBER),
        patient_ids=frozenset(UUID(int=each) for each in patients),
        holder=somebody(to) if to else None,
        at=NOON + timedelta(minutes=minute),
    )


@pytest.mark.parametrize(
    ("visit", "account", "holder"),
    [
        (moved(VisitKind.VISIT, {1, 2}, 2, 1), moved(VisitKind.ACCOUNT, {2, 3}, 3, 2), 3),
        (moved(VisitKind.VISIT, {1, 2}, 2, 2), moved(VisitKind.ACCOUNT, {2, 3}, 3, 1), 2),
        (moved(VisitKind.VISIT, {1, 2}, None, 1), moved(VisitKind.ACCOUNT, {2, 3}, 3, 2), 1),
        (moved(VisitKind.VISIT, {8, 9}, 9, 1), moved(VisitKind.ACCOUNT, {2, 3}, 3, 2), 1),
    ],
)
def test_visit_and_account_go_by_the_time_of_their_moves(visit: MovedVisit, account: MovedVisit, holder: int) -> None:
    for order in permutations((visit, account)):
        assert whose(somebody(1), order) == somebody(holder)


def test_an_order_that_was_moved_keeps_its_patient_when_its_exam_refuses_a_change_and_is_given_back() -> None:
    one, other = a_request(), somebody(7)
    order = place(one, uuid4())
    changed, fact_id = domain.change(order, replace(one, procedure=CodedConcept(code="CTHEAD"))), uuid4()
    changed = domain.told(changed, fact_id, order.details)
    named = Named(one.patient_id, one.patient)
    went = domain.given_to(changed, named, other)
    refused = domain.without(went, fact_id)
    assert (refused.details.patient_id, refused.details.procedure) == (other.patient_id, one.procedure)
    assert domain.given_to(refused, named, named).details == order.details
    assert domain.given_to(went, named, other) is went


def test_a_change_that_names_no_visit_leaves_the_order_on_it() -> None:
    numbers = ClinicalPhi(visit_number=NUMBER, account_number=Identifier(value="K1", issuer="MAIN"))
    order = place(a_request(clinical=numbers), uuid4())
    changed = domain.change(order, a_request(clinical=ClinicalPhi(reason="cough")))
    assert visits_of(changed.details.clinical) == visits_of(numbers)
    assert changed.details.clinical.reason == "cough"

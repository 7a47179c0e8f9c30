"""To whom an order goes with its visit and its account."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from fj_events import ClinicalPhi, CodedConcept, Identifier, PatientLocation, PatientPhi, VisitKind
from order_service.domain import going
from order_service.domain import order as domain
from order_service.domain.order import place
from order_service.domain.visit import MovedVisit, Named, RenumberedVisit, Visit, now

from services.order.tests.unit.builders import a_request

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBER = Identifier(value="V1", issuer="MAIN")


def somebody(number: int) -> Named:
    return Named(UUID(int=number), PatientPhi(id=Identifier(value=str(number), issuer="MAIN")))


def on_visit(number: int, visit: str) -> Named:
    return somebody(number).on({"visit_number": Identifier(value=visit, issuer="MAIN"), "account_number": None})


def renumbered(before: str, number: str | None, minute: int, patient: int = 1) -> RenumberedVisit:
    return RenumberedVisit(
        visit_id=uuid4(),
        visit=Visit(VisitKind.VISIT, Identifier(value=before, issuer="MAIN")),
        patient_ids=frozenset([UUID(int=patient)]),
        number=Identifier(value=number, issuer="MAIN") if number else None,
        at=NOON + timedelta(minutes=minute),
    )


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
    on = {"visit_number": NUMBER, "account_number": NUMBER}
    for order in permutations((visit, account)):
        assert now(somebody(1).on(on), order) == somebody(holder).on(on)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ([renumbered("V1", "V2", 1), renumbered("V2", "V3", 2)], on_visit(1, "V3")),
        ([renumbered("V1", "V2", 1), renumbered("V2", "V1", 2)], on_visit(1, "V1")),
        ([renumbered("V1", "V9", 1), renumbered("V9", "V3", 1)], on_visit(1, "V3")),
        ([renumbered("V1", None, 1)], on_visit(1, "V1")),
        ([renumbered("V1", "V2", 1, patient=5)], on_visit(1, "V1")),
        ([moved(VisitKind.VISIT, {1, 2}, 2, 1), renumbered("V1", "V2", 2, patient=2)], on_visit(2, "V2")),
        ([moved(VisitKind.VISIT, {1, 2}, 2, 1), renumbered("V1", "V2", 1, patient=2)], on_visit(2, "V2")),
        ([renumbered("V1", "V2", 1), renumbered("V1", "V2", 2, patient=2)], on_visit(1, "V2")),
    ],
)
def test_a_visit_has_the_number_that_it_got_by_the_time_of_all_words(
    said: list[MovedVisit | RenumberedVisit], end: Named
) -> None:
    for order in permutations(said):
        assert now(on_visit(1, "V1"), order) == end


def test_an_order_gets_the_number_of_its_visit_whatever_change_its_exam_refuses_and_has_its_own_again() -> None:
    numbers = ClinicalPhi(visit_number=NUMBER, account_number=Identifier(value="K1", issuer="MAIN"))
    one = a_request(clinical=numbers)
    order = place(one, uuid4())
    changed, fact_id = domain.change(order, replace(one, procedure=CodedConcept(code="CTHEAD"))), uuid4()
    changed = domain.told(changed, fact_id, order.details)
    named = Named.of(order.details)
    present = Identifier(value="V2", issuer="MAIN")
    fresh = going.given_to(changed, named, named.on({**named.numbers, "visit_number": present}))
    refused = domain.without(fresh, fact_id)
    assert (refused.details.clinical.visit_number, refused.details.procedure) == (present, one.procedure)
    assert fresh.named == named
    assert going.given_to(refused, named, named) == replace(refused, details=order.details, named=None)


def test_an_order_that_was_moved_keeps_its_patient_when_its_exam_refuses_a_change_and_is_given_back() -> None:
    one, other = a_request(), somebody(7)
    order = place(one, uuid4())
    changed, fact_id = domain.change(order, replace(one, procedure=CodedConcept(code="CTHEAD"))), uuid4()
    changed = domain.told(changed, fact_id, order.details)
    named = Named(one.patient_id, one.patient)
    went = going.given_to(changed, named, other)
    refused = domain.without(went, fact_id)
    assert (refused.details.patient_id, refused.details.procedure) == (other.patient_id, one.procedure)
    assert going.given_to(refused, named, named).details == order.details
    assert going.given_to(went, named, other) is went


def test_a_change_that_names_no_visit_leaves_the_order_on_it() -> None:
    numbers = ClinicalPhi(visit_number=NUMBER, account_number=Identifier(value="K1", issuer="MAIN"))
    order = place(a_request(clinical=numbers), uuid4())
    changed = domain.change(order, a_request(clinical=ClinicalPhi(reason="cough")))
    assert Named.of(changed.details).numbers == Named.of(order.details).numbers
    assert changed.details.clinical.reason == "cough"


def test_where_the_patient_is_stays_said_where_a_change_says_nothing_of_it() -> None:
    ward, unit = PatientLocation(point_of_care="4W", bed="2"), PatientLocation(point_of_care="ICU")
    placed = place(a_request(clinical=ClinicalPhi(reason="Cough", location=ward)), uuid4())
    for said, then in ((None, ward), (unit, unit)):
        changed = domain.change(placed, a_request(clinical=ClinicalPhi(reason="Fever", location=said)))
        assert (changed.details.clinical.reason, changed.details.clinical.location) == ("Fever", then)

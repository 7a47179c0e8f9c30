"""How far a visit is, and where its patient is, follows from what ADT said of it and not from when that came."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from fj_events import Identifier, PatientLocation, VisitKind, VisitState
from hypothesis import given
from hypothesis import strategies as st
from patient_service.domain.renumbering import Renumbering
from patient_service.domain.stay import EFFECTS, Event, Node, groups, stay, ties
from patient_service.domain.visit import Move, Visit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VISIT, PATIENT = UUID(int=1), UUID(int=11)
PLANNED, ADMITTED, DISCHARGED, CANCELLED = (
    VisitState.PLANNED,
    VisitState.ADMITTED,
    VisitState.DISCHARGED,
    VisitState.CANCELLED,
)


class Case(NamedTuple):
    """Events a minute apart, each with PV1-3 behind it, or with `<` and PV1-6; and what is so after them."""

    events: str
    state: VisitState
    where: str | None


CASES = [
    Case("A05=W1", PLANNED, None),
    Case("A05=W1 A01", ADMITTED, "W1"),
    Case("A05=W1 A38", CANCELLED, None),
    Case("A05 A08=W1 A38", CANCELLED, None),
    Case("A05 A01=W1 A38", ADMITTED, "W1"),
    Case("A38", CANCELLED, None),
    Case("A01=W1", ADMITTED, "W1"),
    Case("A01=W1 A08", ADMITTED, "W1"),
    Case("A01=W1 A08=W2", ADMITTED, "W2"),
    Case('A01=W1 A08=""', ADMITTED, None),
    Case("A01=W1 A02=W2 A11", CANCELLED, None),
    Case("A05 A01=W1 A11", PLANNED, None),
    Case("A05 A06=W1 A11", PLANNED, None),
    Case("A11", CANCELLED, None),
    Case("A01=W1 A11 A01=W2", ADMITTED, "W2"),
    Case("A01=W1 A02=W2 A12=W1", ADMITTED, "W1"),
    Case("A01=W1 A02=W2 A12", ADMITTED, "W1"),
    Case("A02=W2<W1 A12", ADMITTED, "W1"),
    Case("A12=W1", ADMITTED, "W1"),
    Case("A01=W1 A02=W2 A02=W3 A12", ADMITTED, "W2"),
    Case("A01=W1 A02=W2 A02=W3 A12 A12", ADMITTED, "W1"),
    Case("A01=W1 A02=W2 A08=W2 A12", ADMITTED, "W1"),
    Case("A01=W1 A02=W2 A10=W5 A12", ADMITTED, "W5"),
    Case("A01=W1 A09=X A10=W1", ADMITTED, "W1"),
    Case("A01=W1 A03=W1", DISCHARGED, None),
    Case("A01=W1 A03 A13", ADMITTED, "W1"),
    Case("A01=W1 A03 A13=W2", ADMITTED, "W2"),
    Case("A13=W2", ADMITTED, "W2"),
    Case("A01=W1 A03 A08=W1", DISCHARGED, None),
    Case("A01=W1 A02=W2 A03 A12=W1", DISCHARGED, None),
    Case("A01=W1 A02=W2 A03 A12=W1 A13", ADMITTED, "W1"),
    Case("A04 A06=W1", ADMITTED, "W1"),
    Case("A02=W1", ADMITTED, "W1"),
]


def place(text: str) -> PatientLocation | None:
    if not text:
        return None
    return PatientLocation() if text == '""' else PatientLocation(point_of_care=text)


def event(trigger: str, minute: int, where: str = "", prior: str = "", patient_class: str | None = None) -> Event:
    return Event(
        visit_id=VISIT,
        patient_id=PATIENT,
        site="GENERAL",
        trigger=trigger,
        at=NOON + timedelta(minutes=minute),
        patient_class=patient_class,
        location=place(where),
        prior_location=place(prior),
    )


def events(text: str) -> list[Event]:
    found = []
    for minute, each in enumerate(text.split()):
        trigger, _, places = each.partition("=")
        where, _, prior = places.partition("<")
        found.append(event(trigger, minute, where, prior))
    return found


@given(st.data())
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.events)
def test_a_cancel_takes_back_what_it_cancels_whichever_comes_first(case: Case, data: st.DataObject) -> None:
    now = stay(data.draw(st.permutations(events(case.events))), [PATIENT])
    assert (now.state, now.location and now.location.display) == (case.state, case.where)


@given(st.lists(st.tuples(st.sampled_from(sorted(EFFECTS)), st.sampled_from(["", "W1", "W2"])), min_size=1), st.data())
def test_no_order_of_arrival_changes_the_end(said: list[tuple[str, str]], data: st.DataObject) -> None:
    told = [event(trigger, minute, where) for minute, (trigger, where) in enumerate(said)]
    assert stay(data.draw(st.permutations(told)), [PATIENT]) == stay(told, [PATIENT])


def test_of_one_instant_the_later_message_holds() -> None:
    assert stay([event("A01", 0, "W1"), event("A02", 0, "W2"), event("A12", 0)], [PATIENT]).location == place("W1")


def test_the_class_is_the_one_that_was_said_last() -> None:
    said = [event("A04", 0, patient_class="O"), event("A06", 1, patient_class="I"), event("A08", 2)]
    assert stay(said, [PATIENT]).patient_class == "I"
    assert stay([*said, event("A07", 3, patient_class="O")], [PATIENT]).patient_class == "O"


def test_a_moved_and_renumbered_visit_hangs_together_until_that_is_undone() -> None:
    one, two, stranger = UUID(int=11), UUID(int=12), UUID(int=13)
    first, second = (
        Visit(visit_id=UUID(int=n), kind=VisitKind.VISIT, number=Identifier(value=f"V{n}", issuer="GENERAL"))
        for n in (1, 2)
    )
    move = Move(prior_id=one, holder_id=two, at=NOON)
    said = Renumbering(patient_id=two, patient_ids=frozenset({two}), number=second.number, at=NOON)
    nodes = [Node(first.visit_id, one), Node(first.visit_id, stranger)]
    tied = ties([first, second], {first.visit_id: [move]}, {first.visit_id: [said]})
    together, apart = groups(nodes, tied)
    assert together == {Node(first.visit_id, one), Node(first.visit_id, two), Node(second.visit_id, two)}
    assert apart == {Node(first.visit_id, stranger)}
    undone = Move(prior_id=one, holder_id=two, at=NOON, undone=True)
    assert groups(nodes, ties([first], {first.visit_id: [undone]}, {})) == [{node} for node in nodes]

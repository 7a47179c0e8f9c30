"""Results of an order that went to another patient: what is taken back, and what is told anew."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from ehr_sync_service.domain.correction import Result, corrections
from ehr_sync_service.domain.delivery import Delivery, write
from ehr_sync_service.domain.telling import Receiver, Told, telling_of
from fj_events import Envelope, PatientPhi

from services.ehr_sync.tests.builders import Exam

EXAM = Exam("C1")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EHR, REGISTRY = Receiver("ehr"), Receiver("registry")
FORMER = PatientPhi(family_name="Former")


def caused() -> Envelope:
    return Envelope(
        id=uuid4(), type="order.changed.v1", source="/filmjacket/order", time=NOON, subject="o", site="MAIN", sequence=2
    )


def a_result(fact: Told, receiver: Receiver = EHR, *, told: bool = True) -> Result:
    return Result(write(telling_of(fact), fact, caused(), receiver, NOON), told)


def corrected(*results: Result) -> list[tuple[str, str, int, bool]]:
    """Destination, OBR-25, version, and whether it is taken back."""
    return [
        (one.destination, one.telling.status, one.report[1] if one.report else 0, one.withdrawn_from == FORMER)
        for one in corrections(results, FORMER, caused(), [EHR, REGISTRY], NOON)
    ]


def test_the_newest_version_is_taken_back_and_told_anew_at_each_destination_that_has_it() -> None:
    results = [a_result(EXAM.finalized()), a_result(EXAM.finalized(), REGISTRY), a_result(EXAM.amended())]
    first, second = EXAM.finalized().version, EXAM.amended().version
    assert corrected(*results) == [
        ("ehr", "C", second, True),
        ("ehr", "C", second, False),
        ("registry", "C", first, True),
        ("registry", "F", first, False),
    ]


def test_what_is_not_on_its_way_names_the_right_patient_by_itself() -> None:
    assert corrected(a_result(EXAM.finalized(), told=False)) == []
    results = a_result(EXAM.finalized()), a_result(EXAM.amended(), told=False)
    assert corrected(*results) == [("ehr", "C", EXAM.finalized().version, True)]


def test_what_was_taken_back_is_not_taken_back_again() -> None:
    withdrawn = a_result(EXAM.finalized())
    taken_back: Delivery = replace(withdrawn.delivery, withdrawn_from=PatientPhi())
    assert corrected(Result(taken_back, told=True)) == []


def test_a_destination_that_wants_no_results_any_more_is_told_nothing() -> None:
    assert corrected(a_result(EXAM.finalized(), Receiver("gone"))) == []


def test_the_deliveries_of_one_cause_are_several_and_the_same_when_it_comes_again() -> None:
    cause, results = caused(), [a_result(EXAM.finalized())]
    once, twice = ([*corrections(results, FORMER, cause, [EHR], NOON)] for _ in range(2))
    assert len({one.delivery_id for one in once}) == len({one.control_id for one in once}) == 2
    assert once == twice

"""What an order is made of, how it changes, when it is delivered."""

import itertools
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from fj_events import CodedConcept, Identifier, PatientPhi, Priority, Source
from order_service.domain import order as domain
from order_service.domain.errors import NotPossible, OtherPatient
from order_service.domain.life import Act, Life
from order_service.domain.order import Order, place

from services.order.tests.unit.builders import a_request

ORDER_ID = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")


def an_order(life: Life = Life.ORDERED) -> Order:
    return replace(place(a_request(), ORDER_ID), life=life)


def test_numbers_that_the_placer_left_out_are_made_and_fit_their_dicom_types() -> None:
    details = an_order().details
    assert len(details.accession_number.value) == 14
    assert details.accession_number.issuer == "MAIN"
    assert details.study_instance_uid == f"2.25.{ORDER_ID.int}"
    assert len(details.study_instance_uid) <= 64
    assert details.requested_procedure_id == details.accession_number.value


def test_numbers_that_the_placer_gave_are_kept() -> None:
    accession = Identifier(value="A1", issuer="NORTH")
    details = place(a_request(accession_number=accession, study_instance_uid="1.2.3"), uuid4()).details
    assert (details.accession_number, details.study_instance_uid) == (accession, "1.2.3")


def test_a_change_that_leaves_numbers_out_keeps_them() -> None:
    changed = domain.change(an_order(), a_request(priority=Priority.STAT))
    assert changed.details.accession_number == an_order().details.accession_number
    assert changed.details.study_instance_uid == an_order().details.study_instance_uid
    assert domain.differences(an_order().details, changed.details) == ("priority",)


def test_the_same_request_again_through_another_door_is_the_same_order() -> None:
    order = an_order()
    assert domain.change(order, a_request(source=Source.HTTP)) == order


@pytest.mark.parametrize("life", [Life.IN_PROGRESS, Life.PERFORMED, Life.DISCONTINUED, Life.COMPLETED])
def test_a_started_or_ended_order_is_neither_changed_nor_cancelled(life: Life) -> None:
    with pytest.raises(NotPossible, match=life):
        domain.change(an_order(life), a_request(priority=Priority.STAT))
    with pytest.raises(NotPossible, match=life):
        domain.act_on(an_order(life), Act.CANCEL)


def test_an_order_keeps_its_patient() -> None:
    other = a_request(patient_id=uuid4(), patient=PatientPhi(id=Identifier(value="P2", issuer="MAIN")))
    with pytest.raises(OtherPatient):
        domain.change(an_order(), other)


def changed(order: Order, code: str) -> tuple[Order, UUID]:
    """The order with another procedure, and the id of the fact that tells so."""
    after, fact_id = domain.change(order, a_request(procedure=CodedConcept(code=code))), uuid4()
    return (order if after is order else domain.told(after, fact_id, order.details)), fact_id


@pytest.mark.parametrize("taken", range(4))
@pytest.mark.parametrize("wishes", list(itertools.product(("CTCHEST", "B", "C"), repeat=3)), ids="-".join)
def test_an_order_ends_with_the_last_details_that_its_exam_did_not_refuse(wishes: tuple[str, ...], taken: int) -> None:
    """The exam takes some changes and starts; from then on it refuses whatever differs from what it uses."""
    order = an_order()
    used, refused = order.details.procedure.code, []
    for nth, code in enumerate(wishes):
        order, fact_id = changed(order, code)
        if nth < taken:
            used = code
        elif code != used:
            refused.append(fact_id)
    for arrival in itertools.permutations([*refused, *refused[:1]]):  # one of them twice
        after = order
        for fact_id in arrival:
            after = domain.without(after, fact_id)
        assert after.details.procedure.code == used


def test_a_change_that_is_unknown_is_not_undone() -> None:
    order, _ = changed(an_order(), "MRHEAD")
    assert domain.without(order, uuid4()) is order
    assert domain.without(order, None) is order


def test_not_more_changes_are_kept_than_can_be_on_their_way() -> None:
    order = an_order()
    for nth in range(domain.CHANGES_MAX + 2):
        order, newest = changed(order, f"CODE{nth}")
    assert len(order.changes) == domain.CHANGES_MAX
    assert domain.without(order, newest).details.procedure.code == f"CODE{domain.CHANGES_MAX}"


@pytest.mark.parametrize(
    ("exam", "life"),
    [("STARTED", Life.IN_PROGRESS), ("COMPLETED", Life.PERFORMED), ("DISCONTINUED", Life.DISCONTINUED)],
)
def test_a_cancel_that_the_exam_refuses_leaves_the_order_standing_where_its_exam_stands(exam: str, life: Life) -> None:
    back = domain.reinstate(domain.act_on(an_order(), Act.CANCEL), exam)
    assert (back.life, back.details) == (life, an_order().details)


@pytest.mark.parametrize("life", [Life.PERFORMED, Life.COMPLETED])
def test_a_refusal_that_comes_late_takes_nothing_back(life: Life) -> None:
    assert domain.reinstate(an_order(life), "STARTED").life is life


def test_an_older_report_version_never_replaces_a_newer_one() -> None:
    report = uuid4()
    order = domain.reported(an_order(), report, 3)
    assert domain.reported(order, uuid4(), 2) is order


@pytest.mark.parametrize(
    ("reported", "delivered", "wanted_by", "complete"),
    [
        (None, {}, (), False),
        (2, {}, (), True),
        (2, {}, ("ehr",), False),
        (2, {"ehr": 1}, ("ehr",), False),
        (2, {"ehr": 2}, ("ehr",), True),
        (2, {"ehr": 3}, ("ehr",), True),
        (2, {"ehr": 2}, ("ehr", "registry"), False),
        (2, {"ehr": 2, "registry": 2}, ("ehr", "registry"), True),
        (None, {"ehr": 2}, ("ehr",), False),
    ],
)
def test_an_order_is_delivered_when_the_newest_final_is_wherever_it_is_wanted(
    reported: int | None, delivered: dict[str, int], wanted_by: tuple[str, ...], complete: bool
) -> None:
    report, other = uuid4(), uuid4()
    there = {f"{report}/{name}": version for name, version in delivered.items()} | {
        f"{other}/{name}": 9 for name in wanted_by
    }
    order = replace(an_order(), report_id=report if reported else None, report_version=reported, delivered=there)
    assert domain.is_delivered(order, wanted_by) is complete


def test_a_study_that_was_not_its_own_takes_its_uid_along_and_the_next_one_is_always_the_same() -> None:
    order = an_order()
    fresh = domain.bereft(order, order.details.study_instance_uid)
    assert domain.differences(order.details, fresh.details) == ("study_instance_uid",)
    assert domain.bereft(fresh, order.details.study_instance_uid) is fresh
    assert domain.bereft(order, order.details.study_instance_uid) == fresh


@pytest.mark.parametrize("retracted_first", [True, False])
def test_an_order_whose_images_and_report_were_another_orders_waits_again(retracted_first: bool) -> None:
    report = uuid4()
    order = domain.reported(an_order(Life.COMPLETED), report, 2)
    if retracted_first:
        order = domain.put_back(domain.retracted(order, report))
    else:
        order = domain.retracted(domain.put_back(order), report)
    assert (order.life, order.report_id, order.report_version) == (Life.ORDERED, None, None)
    assert domain.retracted(order, uuid4()) is order


def test_a_report_that_is_delivered_after_its_exam_was_put_back_does_not_complete_the_order() -> None:
    report = uuid4()
    order = domain.put_back(domain.reported(an_order(Life.IN_PROGRESS), report, 1))
    assert not domain.is_delivered(domain.delivered(order, report, "ehr", 1), ("ehr",))


@pytest.mark.parametrize("life", [Life.ORDERED, Life.IN_PROGRESS, Life.PERFORMED, Life.DISCONTINUED, Life.CANCELLED])
def test_an_order_whose_report_was_another_orders_is_where_its_exam_is(life: Life) -> None:
    report = uuid4()
    completed = domain.happened(domain.reported(an_order(life), report, 1), Act.COMPLETE)
    assert completed.life is Life.COMPLETED
    assert domain.retracted(completed, report).life is life


def test_what_its_exam_does_after_an_order_was_completed_is_not_forgotten() -> None:
    report = uuid4()
    early = domain.happened(domain.reported(an_order(), report, 1), Act.COMPLETE)
    for act, life in ((Act.START, Life.IN_PROGRESS), (Act.PERFORM, Life.PERFORMED)):
        early = domain.happened(early, act)
        assert (early.life, domain.retracted(early, report).life) == (Life.COMPLETED, life)
    refused = domain.happened(domain.reported(an_order(Life.CANCELLED), report, 1), Act.COMPLETE)
    assert domain.retracted(domain.reinstate(refused, "COMPLETED"), report).life is Life.PERFORMED


def test_facts_that_come_late_change_nothing() -> None:
    done = an_order(Life.COMPLETED)
    assert domain.happened(done, Act.START) == done

"""Which exam a modality means, what moves it, and what is said about it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from fj_events import (
    MAX_BODY,
    ExamCompleted,
    Identifier,
    ObjectRef,
    OrderDetails,
    OrderPlaced,
    PatientPhi,
    PerformedSeries,
    to_body,
)
from pydicom.uid import generate_uid
from scheduling_service.adapters.catalogue import load_catalogue
from scheduling_service.domain.exam import Exam, meant, settle, step_ids, with_performed, without_images
from scheduling_service.domain.facts import Move, facts, instance_lists, is_long, shortened
from scheduling_service.domain.performed import PerformedStatus, PerformedStep, Reference
from scheduling_service.domain.planning import Circumstances, plan
from scheduling_service.domain.step import StepState

from services.scheduling.tests.builders import NOON, an_order

HERE = Circumstances(catalogue=load_catalogue(None), now=NOON, open_steps={})


def exam_of(order: OrderPlaced) -> Exam:
    details = {name: getattr(order, name) for name in OrderDetails.model_fields}
    return plan(order.order_id, order.site, OrderDetails.model_validate(details), HERE)


def performed(*references: Reference, **given: Any) -> PerformedStep:
    plain: dict[str, Any] = {
        "sop_instance_uid": generate_uid(),
        "site": "MAIN",
        "status": PerformedStatus.IN_PROGRESS,
        "station_ae_title": "CT1",
        "modality": "CT",
        "started_at": NOON,
        "references": references,
        "patient": PatientPhi(),
    }
    return PerformedStep(**(plain | given))


def refers(study: str | None = None, **given: Any) -> Reference:
    return Reference(study_instance_uid=study or generate_uid(), **given)


def test_the_study_uid_decides_over_the_accession_number() -> None:
    one, other = an_order(), an_order()
    reference = refers(one.study_instance_uid, accession_number=other.accession_number.value)
    exams = [exam_of(one), exam_of(other)]
    assert [exam.key for exam in meant(performed(reference), exams)] == [exams[0].key]


def test_an_accession_number_means_the_exam_of_its_issuer_or_of_the_same_site() -> None:
    exam = exam_of(an_order(accession_number=Identifier(value="7", issuer="LAB")))
    assert meant(performed(refers(accession_number="7")), [exam]) == [exam]
    assert meant(performed(refers(accession_number="7", accession_issuer="LAB")), [exam]) == [exam]
    assert meant(performed(refers(accession_number="7", accession_issuer="OTHER")), [exam]) == []
    assert meant(performed(refers(accession_number="7"), site="NORTH"), [exam]) == []


def test_a_step_id_means_an_exam_only_of_the_same_patient() -> None:
    order = an_order(scheduled_step_id="1")
    exam = exam_of(order)
    assert meant(performed(refers(step_id="1"), patient_id=order.patient_id), [exam]) == [exam]
    assert meant(performed(refers(step_id="1"), patient_id=UUID(int=1)), [exam]) == []
    assert meant(performed(refers(step_id="1")), [exam]) == []


def test_orders_that_share_an_accession_number_are_told_apart_by_step_id() -> None:
    accession = Identifier(value="7", issuer="MAIN")
    exams = [exam_of(an_order(accession_number=accession)) for _ in range(2)]
    step_id = exams[1].steps[0].step_id
    assert meant(performed(refers(accession_number="7", step_id=step_id)), exams) == [exams[1]]
    assert meant(performed(refers(accession_number="7")), exams) == exams


def test_a_group_of_requests_is_several_exams() -> None:
    orders = [an_order(), an_order()]
    exams = [exam_of(order) for order in orders]
    study = generate_uid()
    step = performed(*(refers(study, requested_study_uids=(order.study_instance_uid,)) for order in orders))
    assert meant(step, exams) == exams
    for exam in exams:
        after = settle(with_performed(exam, step), ())
        assert (after.state, after.study_instance_uid) == (StepState.STARTED, study)


def test_a_group_under_the_study_uid_of_one_request_is_all_of_them_by_their_numbers() -> None:
    orders = [an_order(), an_order()]
    exams = [exam_of(order) for order in orders]
    study = orders[0].study_instance_uid
    step = performed(*(refers(study, accession_number=order.accession_number.value) for order in orders))
    assert meant(step, exams) == exams


def test_a_modality_that_goes_on_with_one_of_a_group_means_that_one_alone() -> None:
    orders = [an_order(), an_order()]
    study = orders[0].study_instance_uid
    numbers = [refers(study, accession_number=order.accession_number.value) for order in orders]
    together = performed(*numbers, status=PerformedStatus.DISCONTINUED)
    exams = [settle(with_performed(exam_of(order), together), ()) for order in orders]
    assert [exam.study_instance_uid for exam in exams] == [study, study]
    assert meant(performed(numbers[0]), exams) == exams[:1]
    assert meant(performed(numbers[1]), exams) == exams[1:]
    assert meant(performed(refers(study)), exams) == exams


def test_one_of_two_steps_is_not_the_whole_exam() -> None:
    order = an_order(procedure={"code": "MRARTHRO"})
    exam = exam_of(order)
    first, second = exam.steps
    begun = performed(refers(order.study_instance_uid, step_id=first.step_id), status=PerformedStatus.COMPLETED)
    after = settle(with_performed(exam, begun), ())
    assert [step.state for step in after.steps] == [StepState.COMPLETED, StepState.SCHEDULED]
    assert after.state is StepState.STARTED
    assert [fact.fact_type for fact in facts(Move(exam, after))] == ["exam.started.v1"]
    rest = performed(refers(order.study_instance_uid, step_id=second.step_id), status=PerformedStatus.COMPLETED)
    done = settle(with_performed(after, rest), ())
    assert [fact.fact_type for fact in facts(Move(after, done))] == ["exam.completed.v1"]


def test_a_performed_step_that_names_none_of_the_steps_performs_all() -> None:
    order = an_order(procedure={"code": "MRARTHRO"})
    exam = exam_of(order)
    assert len(step_ids(exam, performed(refers(order.study_instance_uid, step_id="foreign")))) == 2


def test_an_exam_is_over_only_when_no_modality_is_at_it() -> None:
    order = an_order()
    reference = refers(order.study_instance_uid)
    one, two = performed(reference), performed(reference)
    both = settle(with_performed(exam_of(order), one, two), ())
    one_done = settle(with_performed(both, one.model_copy(update={"status": PerformedStatus.COMPLETED})), ())
    assert one_done.state is StepState.STARTED
    given_up = settle(with_performed(one_done, two.model_copy(update={"status": PerformedStatus.DISCONTINUED})), ())
    assert given_up.state is StepState.COMPLETED


def test_what_was_performed_in_a_study_that_a_person_took_away_is_put_back_but_for_a_group_and_other_steps() -> None:
    order, other = an_order(procedure={"code": "MRARTHRO"}), an_order()
    exam = exam_of(order)
    first, second = exam.steps
    status = PerformedStatus.COMPLETED
    mistaken = performed(refers(order.study_instance_uid, step_id=first.step_id), status=status)
    own = performed(refers(generate_uid(), step_id=second.step_id), status=status)
    done = settle(with_performed(exam, mistaken, own), ())
    assert done.state is StepState.COMPLETED
    bereft = settle(without_images(replace(done, lost=frozenset({mistaken.study_instance_uid}))), ())
    assert [step.state for step in bereft.steps] == [StepState.SCHEDULED, StepState.COMPLETED]
    assert settle(replace(bereft, lost=frozenset()), ()).state is StepState.COMPLETED

    group = performed(
        refers(order.study_instance_uid, step_id=first.step_id), refers(order.study_instance_uid), status=status
    )
    together = settle(with_performed(exam_of(other), group), ())
    lost = frozenset({group.study_instance_uid})
    assert settle(without_images(replace(together, lost=lost)), ()).state is StepState.COMPLETED


def completed(series: int, instances: int) -> ExamCompleted:
    order = an_order()
    listed = tuple(
        PerformedSeries(
            series_instance_uid=f"1.2.826.0.1.3680043.8.498.{number:038d}",
            description="A description of fifty characters, which is a lot.",
            instances=tuple(f"1.2.826.0.1.3680043.8.498.{number:018d}{each:020d}" for each in range(instances)),
            number_of_instances=instances,
        )
        for number in range(1, series + 1)
    )
    step = performed(refers(order.study_instance_uid), status=PerformedStatus.COMPLETED, series=listed)
    exam = exam_of(order)
    *_, fact = facts(Move(exam, settle(with_performed(exam, step), ())))
    assert isinstance(fact, ExamCompleted)
    return fact


def test_no_event_is_longer_than_the_law_allows() -> None:
    ref = ObjectRef(bucket="filmjacket", key="instance-lists/x.json", size=1, sha256="0" * 64)
    for series, instances, inline in ((1, 3000, True), (1, 4500, False), (4000, 1, False), (300, 100, False)):
        fact = completed(series, instances)
        assert is_long(fact) is not inline
        assert sum(map(len, instance_lists(fact).values())) == series * instances
        short = fact if inline else shortened(fact, ref)
        assert len(to_body(short)) <= MAX_BODY // 2
        assert short.number_of_instances == series * instances
        assert (short.instance_list is None) is inline


def test_the_same_state_again_says_nothing() -> None:
    exam = exam_of(an_order())
    assert list(facts(Move(exam, replace(exam)))) == []

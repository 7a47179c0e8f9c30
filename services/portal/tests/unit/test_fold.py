"""Facts fold into one picture, whatever order the topics arrive in."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fj_events import (
    TOPICS,
    DeliveryDelivered,
    DeliveryKind,
    Fact,
    Identifier,
    OrderCancelled,
    OrderReinstated,
    Refused,
    ReportFinalized,
    ReportPhi,
    Source,
    StudyReceived,
    from_body,
)
from portal_service.domain.exam import Exam, merge
from portal_service.domain.fold import FOLDS, fold
from portal_service.domain.refs import refs_of
from portal_service.domain.summary import summary
from portal_service.domain.timeline import Entry, in_order

HEARD = {name for topic in TOPICS.values() if "portal" in topic.consumers for name in topic.facts}
HEARD -= {name for topic in TOPICS.values() for name in topic.other_keys}
FOLDER = Path(__file__).resolve().parents[4] / "libs/events/examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*/*.json") if path.parent.name in HEARD)
ABOUT_SOMETHING_ELSE = {"patient-events", "message-events", "operator-events", "exception-events"}
ORDER = uuid4()
ACCESSION = Identifier(value="A1", issuer="MAIN")


def example(path: Path) -> Fact:
    stored = json.loads(path.read_text("utf-8"))
    return from_body(stored["headers"]["ce_type"], json.dumps(stored["body"]).encode())


def folded(*facts: Fact) -> Exam:
    exam = Exam(exam_id=str(ORDER))
    for fact in facts:
        exam = Exam.model_validate_json(fold(exam, fact).model_dump_json(exclude_none=True))
    return exam


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_fact_is_read_kept_and_summed_up_without_the_patients_name(path: Path) -> None:
    fact = example(path)
    folded(fact)
    words = summary(fact)
    assert "Example" not in words
    assert "P-1001" not in words
    if type(fact) in FOLDS:
        assert words != fact.fact_type


def cancelled() -> OrderCancelled:
    return OrderCancelled(
        site="MAIN", order_id=ORDER, patient_id=uuid4(), accession_number=ACCESSION, study_instance_uid="1.2"
    )


def reinstated() -> OrderReinstated:
    return OrderReinstated(
        site="MAIN",
        order_id=ORDER,
        patient_id=uuid4(),
        accession_number=ACCESSION,
        refused=Refused.CANCEL,
        reason="the exam is STARTED",
    )


def received() -> StudyReceived:
    return StudyReceived.model_validate(
        {"site": "MAIN", "study_instance_uid": "1.2", "patient": {}, "received_at": "2026-03-02T09:00:00Z"}
    )


def final(version: int = 2) -> ReportFinalized:
    return ReportFinalized(
        site="MAIN",
        report_id=UUID(int=1),
        exam_key=str(ORDER),
        order_id=ORDER,
        version=version,
        source=Source.HL7,
        content=ReportPhi(text="Clear."),
    )


def told(destination: str, version: int = 2) -> DeliveryDelivered:
    return DeliveryDelivered(
        site="MAIN",
        delivery_id=uuid4(),
        exam_key=str(ORDER),
        order_id=ORDER,
        destination=destination,
        kind=DeliveryKind.RESULTS,
        status="F",
        message_type="ORU^R01",
        control_id="C",
        report_version=version,
        attempts=1,
    )


def test_a_cancel_holds_until_images_or_a_report_contradict_it_or_it_is_refused() -> None:
    assert folded(cancelled()).state == "cancelled"
    assert folded(cancelled(), received()).state == "in_progress"
    assert folded(cancelled(), final()).state == "reported"
    assert folded(cancelled(), reinstated()).state != "cancelled"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_signed_report_is_delivered_once_it_is_everywhere_whatever_comes_first(order: tuple[int, ...]) -> None:
    facts = [final(), told("ehr"), received()]
    assert folded(*(facts[index] for index in order)).state == "delivered"


def test_an_amendment_shows_reported_until_it_is_delivered() -> None:
    assert folded(final(2), told("ehr", 2), final(3)).state == "reported"
    assert folded(final(2), told("ehr", 2), final(3), told("ehr", 3)).state == "delivered"


def test_images_never_undo_a_report() -> None:
    assert folded(final(), received()).state == "reported"


def test_an_exam_counts_the_instances_that_are_shown() -> None:
    names = ("study.available.v1", "study.rejected.v1", "study.reinstated.v1")
    available, rejected, reinstated = (example(FOLDER / name / "0001.json") for name in names)
    exam = folded(available, rejected)
    assert exam.studies["2.25.1111"].number_of_instances == 119
    assert exam.studies["2.25.1111"].available
    assert folded(available, rejected, reinstated).studies["2.25.1111"].number_of_instances == 120


def test_an_exam_says_whether_its_study_is_kept() -> None:
    names = ("available", "held", "retired", "recalled", "removed", "received")
    facts = [example(FOLDER / f"study.{name}.v1" / "0001.json") for name in names]
    seen = [folded(*facts[:end]).studies["2.25.1111"] for end in range(1, len(facts) + 1)]
    said = [None, "on hold", "retired, removed after 2036-05-04", None, "removed", None]
    assert [one.keeping for one in seen] == said
    assert [one.number_of_instances for one in seen[:5]] == [1, 1, 0, 120, 0]


def test_an_older_version_never_replaces_a_newer_one() -> None:
    report = folded(final(3), final(2)).report
    assert report is not None
    assert report.version == 3


def test_an_exam_that_was_two_is_one() -> None:
    study = folded(received(), final())
    one = merge(folded(cancelled()), study)
    assert (one.exam_id, one.state, one.study_instance_uids) == (str(ORDER), "reported", ("1.2",))


def test_a_report_that_keeps_the_key_of_its_study_is_its_orders_alone() -> None:
    """A person may have moved the study to another order before the report has followed."""
    report = final().model_copy(update={"exam_key": "1.2"})
    assert refs_of(report).names == (str(ORDER),)
    assert refs_of(told("ehr").model_copy(update={"exam_key": "1.2", "order_id": ORDER})).names == (str(ORDER),)
    assert refs_of(report.model_copy(update={"order_id": None})).names == ("1.2",)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_fact_about_an_exam_names_it(path: Path) -> None:
    fact = example(path)
    assert bool(refs_of(fact).names) is (fact.topic not in ABOUT_SOMETHING_ELSE)


def test_a_timeline_is_in_order_of_time_but_never_before_its_cause() -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    ids = [UUID(int=number) for number in range(1, 5)]

    def entry(number: int, seconds: int, cause: int | None) -> Entry:
        return Entry(
            event_id=ids[number],
            at=now + timedelta(seconds=seconds),
            type="x.v1",
            site="MAIN",
            service="x",
            summary="",
            cause=ids[cause] if cause is not None else None,
            actor=None,
        )

    entries = [entry(0, 0, None), entry(1, 2, 0), entry(2, 1, 1), entry(3, 3, 2)]
    assert [item.event_id for item in in_order(entries[::-1])] == ids
    circle = [entry(0, 0, 1), entry(1, 0, 0)]
    assert len(in_order(circle)) == 2

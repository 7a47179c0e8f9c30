"""Which reading becomes the newest version, whatever comes first."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fj_events import Identifier, ReportPhi, Source
from reporting_service.domain.report import NEXT, Reading, Report, Status, Subject, added, next_version
from reporting_service.domain.subject import choose

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
SUBJECT = Subject(site="MAIN", order_id=uuid4(), study_instance_uids=("1.2",))


def a_reading(status: Status, text: str = "Clear.", minutes: int = 0) -> Reading:
    return Reading(
        site="MAIN",
        status=status,
        content=ReportPhi(text=text),
        at=NINE + timedelta(minutes=minutes),
        source=Source.HL7,
    )


def after(*readings: Reading) -> Report | None:
    report: Report | None = None
    for reading in readings:
        report = next_version(report, reading, SUBJECT, uuid4()) or report
    return report


@pytest.mark.parametrize(("known", "said"), list(itertools.product((None, *Status), Status)))
def test_the_table_decides_every_pair(known: Status | None, said: Status) -> None:
    before = after(a_reading(known)) if known else None
    step = next_version(before, a_reading(said, "Other words.", 1), SUBJECT, uuid4())
    assert (step.status if step else None) is NEXT.get((known, said))


@pytest.mark.parametrize("order", list(itertools.permutations((Status.PRELIMINARY, Status.FINAL))))
def test_a_preliminary_never_overwrites_a_final_whatever_comes_first(order: tuple[Status, ...]) -> None:
    words = {Status.PRELIMINARY: ("Maybe.", 0), Status.FINAL: ("Surely.", 1)}
    report = after(*(a_reading(status, *words[status]) for status in order))
    assert report is not None
    assert (report.status, report.content.text) == (Status.FINAL, "Surely.")


@pytest.mark.parametrize("order", list(itertools.permutations(Status)))
def test_a_correction_stands_whatever_comes_first(order: tuple[Status, ...]) -> None:
    minutes = {Status.PRELIMINARY: 0, Status.FINAL: 1, Status.CORRECTED: 2}
    report = after(*(a_reading(status, status.name, minutes[status]) for status in order))
    assert report is not None
    assert (report.status, report.content.text) == (Status.CORRECTED, "CORRECTED")


@pytest.mark.parametrize("status", Status)
def test_saying_the_same_again_is_no_version(status: Status) -> None:
    report = after(a_reading(status), a_reading(status, minutes=5))
    assert report is not None
    assert report.version == 1


def test_signing_a_preliminary_unchanged_is_a_version() -> None:
    report = after(a_reading(Status.PRELIMINARY), a_reading(Status.FINAL))
    assert report is not None
    assert (report.status, report.version, report.signed_at) == (Status.FINAL, 2, NINE)


@pytest.mark.parametrize(("known", "said"), list(itertools.product(Status, (Status.PRELIMINARY, Status.FINAL))))
def test_an_addendum_amends_a_signed_report_and_signs_none(known: Status, said: Status) -> None:
    report = after(a_reading(known, "Clear.", 5))
    assert report is not None
    addendum = a_reading(said, "Clear.", 0)
    step = next_version(report, added(report, addendum), SUBJECT, uuid4())
    if known is not Status.PRELIMINARY and said is Status.PRELIMINARY:
        assert step is None
        return
    assert step is not None
    assert step.status is (Status.PRELIMINARY if known is Status.PRELIMINARY else Status.CORRECTED)
    assert step.content.text == "Clear.\n\nAddendum:\nClear."
    assert next_version(step, added(step, addendum), SUBJECT, uuid4()) is None


def test_versions_count_up_and_the_report_keeps_its_id_and_exam() -> None:
    first = after(a_reading(Status.PRELIMINARY))
    assert first is not None
    linked = Subject(site="MAIN", order_id=uuid4(), study_instance_uids=("1.2",))
    second = next_version(first, a_reading(Status.FINAL, "x"), linked, uuid4())
    assert second is not None
    assert (second.report_id, second.exam_key, second.version) == (first.report_id, first.exam_key, 2)


def number(value: str, issuer: str = "MAIN") -> Identifier:
    return Identifier(value=value, issuer=issuer)


def test_the_surest_number_chooses_the_exam() -> None:
    by_placer = Subject(site="MAIN", order_id=uuid4(), placer_order_number=number("PL1", "EHR"))
    by_accession = Subject(site="MAIN", order_id=uuid4(), accession_number=number("A1"))
    reading = a_reading(Status.FINAL).model_copy(
        update={"placer_order_number": number("PL1", "EHR"), "accession_numbers": (number("A1"),)}
    )
    assert choose(reading, [by_accession, by_placer]) is by_placer
    assert choose(reading, [by_accession]) is by_accession


def test_the_same_number_of_another_site_is_another_exam() -> None:
    elsewhere = Subject(site="NORTH", order_id=uuid4(), accession_number=number("A1", "NORTH"))
    here = Subject(site="MAIN", order_id=uuid4(), accession_number=number("A1", "RIS"))
    reading = a_reading(Status.FINAL).model_copy(update={"accession_numbers": (number("A1"),)})
    assert choose(reading, [elsewhere, here]) is here
    assert choose(reading, [elsewhere]) is None


def test_two_exams_that_fit_equally_well_are_left_to_a_person() -> None:
    twins = [Subject(site="MAIN", order_id=uuid4(), accession_number=number("A1")) for _ in range(2)]
    assert choose(a_reading(Status.FINAL).model_copy(update={"accession_numbers": (number("A1"),)}), twins) is None

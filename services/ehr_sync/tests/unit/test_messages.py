"""The messages to the EHR, held against the standard by hl7apy."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from ehr_sync_service.adapters.hl7 import Hl7Messages
from ehr_sync_service.domain import delivery as domain
from ehr_sync_service.domain import records
from ehr_sync_service.domain.errors import Unfit
from ehr_sync_service.domain.subject import Subject
from ehr_sync_service.domain.telling import Receiver, Told, telling_of
from fj_events import CodedConcept, Envelope, Fact, Identifier, PatientPhi
from fj_hl7 import Message
from fj_hl7.conformance import problems
from fj_runtime import Site, Sites

from services.ehr_sync.tests.builders import TEXT, Exam

NOON = datetime(2026, 7, 2, 12, tzinfo=UTC)
BERLIN = Site.model_validate({"name": "MAIN", "time_zone": "Europe/Berlin"})
EXAM = Exam("M1")


def cause(fact: Fact) -> Envelope:
    return Envelope(
        id=uuid4(), type=fact.fact_type, source="/t", time=NOON, subject=fact.key, site=fact.site, sequence=1
    )


def a_subject(exam: Exam = EXAM, **changes: Any) -> Subject:
    placed, registered, received = exam.placed(), exam.registered(), exam.received()
    parts: dict[str, Any] = {
        "order": records.order_of(None, placed, cause(placed)),
        "patient": records.patient_of(registered, cause(registered)),
        "study": records.study_of(None, received, cause(received)),
    }
    return Subject(**(parts | changes))


def build(fact: Told, subject: Subject) -> Message:
    messages = Hl7Messages(Sites({"MAIN": BERLIN}), "FILMJACKET", lambda: NOON)
    raw = messages.build(domain.write(telling_of(fact), fact, cause(fact), Receiver("ehr"), NOON), subject)
    assert problems(raw) == []
    return Message.parse(raw)


@pytest.mark.parametrize(
    ("fact", "control", "status"),
    [
        (EXAM.started(), "SC", "IP"),
        (EXAM.performed(), "SC", "CM"),
        (EXAM.discontinued(), "SC", "DC"),
        (EXAM.cancelled("tess"), "OC", "CA"),
        (EXAM.reinstated(), "UC", "IP"),
    ],
)
def test_a_status_names_the_order_as_its_placer_knows_it(fact: Told, control: str, status: str) -> None:
    message = build(fact, a_subject())
    assert message.kind == "ORM^O01"
    orc = message["ORC"]
    assert (orc.get(1), orc.get(5)) == (control, status)
    assert (orc.get(2), orc.get(2, 2), orc.get(3)) == (EXAM.placer, "EHR", EXAM.accession.value)
    assert message["ZDS"].get(1) == EXAM.uid


def test_a_status_says_why_the_modality_gave_up() -> None:
    failed = EXAM.discontinued().model_copy(update={"reason": CodedConcept(code="110501", system="DCM")})
    orc = build(failed, a_subject())["ORC"]
    assert (orc.get(5), orc.get(16), orc.get(16, 3)) == ("DC", "110501", "DCM")
    assert build(EXAM.discontinued(), a_subject())["ORC"].get(16) == ""


def test_times_are_those_of_the_site() -> None:
    message = build(EXAM.started(), a_subject())
    assert message["MSH"].get(7) == "20260702140000+0200"
    assert message["ORC"].get(9) == "20260302103000+0100"


@pytest.mark.parametrize(
    ("fact", "status"), [(EXAM.preliminary(), "P"), (EXAM.finalized(), "F"), (EXAM.amended(), "C")]
)
def test_a_result_carries_the_whole_report(fact: Told, status: str) -> None:
    message = build(fact, a_subject())
    assert message.kind == "ORU^R01"
    obr = message["OBR"]
    assert (obr.get(2), obr.get(18), obr.get(25)) == (EXAM.placer, EXAM.accession.value, status)
    assert obr.get(32, sub=2) == "Strahl"
    lines = [obx.get(5) for obx in message.segments("OBX") if obx.get(3) == "18748-4"]
    assert "\n".join(lines) == TEXT
    assert {obx.get(11) for obx in message.segments("OBX")} == {status}
    assert message["PV1"].get(19) == "V1"


def test_a_withdrawn_report_is_posted_as_wrong_without_its_words() -> None:
    message = build(EXAM.retracted(), a_subject())
    assert message.kind == "ORU^R01"
    assert (message["OBR"].get(2), message["OBR"].get(25)) == (EXAM.placer, "C")
    assert {obx.get(11) for obx in message.segments("OBX")} == {"W"}
    [text] = [obx.get(5) for obx in message.segments("OBX") if obx.get(3) == "18748-4"]
    assert text.startswith("This report is withdrawn")


def test_a_result_without_an_order_says_what_is_known() -> None:
    lone = EXAM.finalized().model_copy(update={"order_id": None, "exam_key": EXAM.uid})
    message = build(lone, a_subject(order=None))
    assert (message["OBR"].get(2), message["OBR"].get(3)) == ("", EXAM.accession.value)
    assert message["OBR"].get(4, 2) == "CT THORAX"
    assert message["PID"].get(3) == f"P{EXAM.number}"


def test_the_registered_patient_counts_more_than_what_the_order_says() -> None:
    registered = EXAM.registered()
    renamed = registered.model_copy(update={"patient": EXAM.who.model_copy(update={"family_name": "Neu"})})
    assert (
        build(EXAM.finalized(), a_subject(patient=records.patient_of(renamed, cause(renamed))))["PID"].get(5) == "Neu"
    )
    provisional = renamed.model_copy(update={"provisional": True})
    subject = a_subject(patient=records.patient_of(provisional, cause(provisional)))
    assert build(EXAM.finalized(), subject)["PID"].get(5) == "Beispiel"
    assert build(EXAM.finalized(), a_subject(patient=None))["PID"].get(5) == "Beispiel"


def test_without_a_patient_there_is_no_message() -> None:
    placed = EXAM.placed().model_copy(update={"patient": PatientPhi()})
    order = records.order_of(None, placed, cause(placed))
    with pytest.raises(Unfit):
        build(EXAM.finalized(), Subject(order=order, patient=None, study=None))


@pytest.mark.parametrize(
    ("issuer", "authority"),
    [("GENERAL", "GENERAL"), ("MAIN", ""), ("1.2.276.0", "&1.2.276.0&ISO")],
)
def test_a_number_is_given_back_with_the_authority_that_it_came_with(issuer: str, authority: str) -> None:
    who = EXAM.who.model_copy(update={"id": Identifier(value="77", issuer=issuer)})
    message = build(EXAM.finalized(), a_subject(Exam("M2", patient=who)))
    assert message["PID"].raw(3) == f"77^^^{authority}^MR"


def test_names_in_other_scripts_come_along() -> None:
    who = EXAM.who.model_copy(update={"ideographic_name": "山田^太郎", "phonetic_name": "やまだ^たろう"})
    message = build(EXAM.finalized(), a_subject(Exam("M3", patient=who)))
    assert message["PID"].raw(5) == "Beispiel^Zoë Anna^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"

"""What is sent keeps to the standard, and says what it was told."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from fj_hl7 import CWE, CX, EI, HD, PID, XAD, XCN, XPN, Message, Sender
from fj_hl7.builders import (
    Appointment,
    Document,
    Header,
    Order,
    Patient,
    Report,
    Status,
    Step,
    Visit,
    appointment_message,
    document_message,
    merge_message,
    order_message,
    order_status,
    patient_message,
    procedure_message,
    report_message,
)
from fj_hl7.conformance import problems
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
HEADER = Header(sending=Sender("FJ", "MAIN"), receiving=Sender("EHR", "NORTH"), at=AT)
DOCTOR = XCN("77", "Doe", "Dana", authority=HD("NORTH"))
PATIENT = Patient(
    identifiers=(CX("123", HD("NORTH", "1.2.3", "ISO"), "MR"), CX("9", HD("NATION"), "NI")),
    names=(XPN("Müller|Example", "Ada", type_code="L"), XPN("山田", "太郎", representation="I")),
    birth_date=date(1970, 4, 1),
    sex="F",
    address=XAD("1 Road", "", "Town", "ST", "12345", "US"),
    phone="555-1",
    account_number=CX("A1"),
)
VISIT = Visit(patient_class="O", location=("WARD", "3"), attending=DOCTOR, referring=DOCTOR, visit_number=CX("V1"))
ORDER = Order(
    placer=EI("P1", HD("EHR")),
    filler=EI("F1", HD("FJ")),
    accession_number="A1",
    requested_procedure_id="RP1",
    procedure=CWE("CTCHEST", "CT chest", "L"),
    modality="CT",
    priority="S",
    wanted=AT,
    ordered_by=DOCTOR,
    reason="cough & fever",
    history="smoker",
    study_instance_uid="1.2.840.1",
)
REPORT = Report(
    status="F",
    text="Lungs: clear\n\nHeart ^ normal",
    impression="Nothing",
    at=AT,
    observed=AT,
    interpreter=DOCTOR,
    study_instance_uids=("1.2.840.1", "1.2.840.2"),
)
DOCUMENT = Document(number=EI("D1", HD("FJ")), parent=EI("D0", HD("FJ")), text="one\ntwo", at=AT, author=DOCTOR)
STEP = Step(
    step_id="A1-1",
    modality="CT",
    station_ae_title="CT1",
    station_name="Room & 1",
    station_location="Level ^ 1",
    starts_at=AT,
    minutes=20,
    description="Chest ^ native",
    protocol=(CWE("P1", "native", "L"), CWE("P2", "contrast", "L")),
)
PLANNED = replace(ORDER, steps=(STEP, replace(STEP, step_id="A1-2", protocol=())))
APPOINTMENT = Appointment(trigger="S12", number=EI("A1"), event="booked", status="Booked", by=XCN("", "FJ"))
OLD_HEADER = replace(HEADER, version="2.3.1")
BARE_PATIENT = Patient(identifiers=(CX("1"),))
BARE_ORDER = Order(placer=EI("P1"), procedure=CWE("X"))


@pytest.mark.parametrize(
    "raw",
    [
        *(order_message(HEADER, control, PATIENT, VISIT, ORDER, ORDER) for control in ("NW", "CA", "XO")),
        order_message(HEADER, "NW", BARE_PATIENT, Visit(), BARE_ORDER),
        *(order_status(HEADER, PATIENT, VISIT, ORDER, Status(status=code, at=AT)) for code in ("IP", "CM", "CA", "DC")),
        order_status(HEADER, BARE_PATIENT, Visit(), BARE_ORDER, Status(control="UC", at=AT)),
        *(patient_message(HEADER, trigger, PATIENT, VISIT) for trigger in ("A01", "A04", "A05", "A08", "A28", "A31")),
        patient_message(HEADER, "A04", BARE_PATIENT, Visit()),
        report_message(HEADER, PATIENT, VISIT, ORDER, REPORT),
        report_message(HEADER, BARE_PATIENT, Visit(), BARE_ORDER, Report(status="P", text="short")),
        document_message(HEADER, PATIENT, VISIT, ORDER, DOCUMENT),
        *(
            procedure_message(header, PATIENT, VISIT, PLANNED, Status(control=control, status=status, at=AT))
            for header in (HEADER, OLD_HEADER)
            for control, status in (("NW", "SC"), ("XO", "CM"), ("CA", "CA"), ("DC", "CA"))
        ),
        *(
            appointment_message(header, PATIENT, VISIT, PLANNED, replace(APPOINTMENT, trigger=trigger))
            for header in (HEADER, OLD_HEADER)
            for trigger in ("S12", "S13", "S14", "S15", "S26")
        ),
        *(merge_message(header, PATIENT, CX("9", HD("NORTH"), "MR")) for header in (HEADER, OLD_HEADER)),
        patient_message(OLD_HEADER, "A08", PATIENT, VISIT),
        order_status(OLD_HEADER, PATIENT, VISIT, ORDER, Status(control="SN", status="SC", at=AT)),
        report_message(OLD_HEADER, PATIENT, VISIT, ORDER, REPORT),
    ],
    ids=lambda raw: Message.parse(raw).kind,
)
def test_every_message_keeps_to_the_standard(raw: bytes) -> None:
    assert problems(raw) == []


def test_what_leaves_the_standard_is_found() -> None:
    good = report_message(HEADER, PATIENT, VISIT, ORDER, REPORT)
    assert problems(good.replace(b"PV1|1|O|", b"XXX|1|O|"))
    assert problems(order_message(HEADER, "NW", PATIENT, VISIT, ORDER).replace(b"||19700401|", b"||born in spring|"))


def test_a_report_says_which_order_study_and_status() -> None:
    message = Message.parse(report_message(HEADER, PATIENT, VISIT, ORDER, REPORT))
    obr, orc = message["OBR"], message["ORC"]
    assert (orc.get(1), obr.get(2), obr.get(3), obr.get(18), obr.get(25)) == ("RE", "P1", "F1", "A1", "F")
    assert (obr.get(32), obr.get(32, sub=2)) == ("77", "Doe")
    rows = [(obx.get(2), obx.get(3), obx.get(5), obx.get(11)) for obx in message.segments("OBX")]
    assert rows == [
        ("ST", "113014", "1.2.840.1", "F"),
        ("ST", "113014", "1.2.840.2", "F"),
        ("TX", "18748-4", "Lungs: clear", "F"),
        ("TX", "18748-4", "", "F"),
        ("TX", "18748-4", "Heart ^ normal", "F"),
        ("TX", "19005-8", "Nothing", "F"),
    ]


def test_an_order_says_what_is_wanted() -> None:
    message = Message.parse(order_message(HEADER, "NW", PATIENT, VISIT, ORDER))
    [group] = message.groups()
    when = group["TQ1"].time(7)
    assert when is not None
    assert when.at == AT
    assert (group["ORC"].get(1), group["TQ1"].get(9), group["OBR"].get(24)) == ("NW", "S", "CT")
    assert group["OBR"].first(CWE, 31) == CWE("", "cough & fever")
    assert group["ZDS"].get(1) == "1.2.840.1"
    assert message.header.first(EI, 10) == EI(HEADER.control_id)


def test_a_status_carries_control_state_and_time() -> None:
    orc = Message.parse(order_status(HEADER, PATIENT, VISIT, ORDER, Status(status="CM", at=AT)))["ORC"]
    assert (orc.get(1), orc.get(2), orc.get(5), orc.get(9)) == ("SC", "P1", "CM", "20260302091500+0000")


def test_a_status_says_why_the_exam_was_given_up() -> None:
    why = CWE("110501", "Equipment failure", "DCM")
    for header in (HEADER, OLD_HEADER):
        raw = order_status(header, PATIENT, VISIT, ORDER, Status(status="DC", at=AT, reason=why))
        assert problems(raw) == []
        assert Message.parse(raw)["ORC"].first(CWE, 16) == why


def test_a_patient_reads_back_as_written() -> None:
    pid = PID.read(Message.parse(patient_message(HEADER, "A04", PATIENT, VISIT))["PID"])
    assert pid.ids == PATIENT.identifiers
    assert (pid.name, pid.ideographic) == PATIENT.names
    assert (pid.birth_date, pid.sex, pid.address) == (PATIENT.birth_date, PATIENT.sex, PATIENT.address)


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_a_report_of_any_text_keeps_to_the_standard_and_its_words(text: str) -> None:
    raw = report_message(HEADER, PATIENT, VISIT, ORDER, Report(status="F", text=text))
    message = Message.parse(raw)
    assert not message.strangers
    assert [obx.get(5) for obx in message.segments("OBX")] == [
        "" if line == '""' else line for line in text.splitlines()
    ]

"""One order in several ORC groups of a message, one for each step or procedure."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from fj_events import CodedConcept, OrderedStep, Priority
from fj_hl7 import CWE, CX, EI, HD, Message, Refusal, Sender
from fj_hl7.builders import Header, Order, Patient, Status, Step, Visit, procedure_message
from fj_runtime import Sites
from order_service.domain.wish import Wish
from order_service.entrypoints.hl7 import Translator

MSH = "MSH|^~\\&|RIS|NORTHHOSP|FJ|FJ|20260302091500||{kind}|C1|P|2.5.1"
PID = "PID|1||P1^^^HOSP^MR||Example^Ada"
ORC = "ORC|NW|PL1^RIS"
NINE, TEN = datetime(2026, 3, 5, 9, tzinfo=UTC), datetime(2026, 3, 5, 10, tzinfo=UTC)


def read(raw: bytes) -> list[Wish]:
    return [said.wish for said in Translator(Sites.load(None), UUID(int=7)).wishes(Message.parse(raw))]


def wishes(*segments: str, kind: str = "OMI^O23^OMI_O23") -> list[Wish]:
    return read("\r".join((MSH.format(kind=kind), PID, *segments)).encode())


def step(nth: int, modality: str, hour: int = 9, code: str = "MRARTHRO") -> tuple[str, ...]:
    """The group of one step of order PL1, as IHE RAD-4 has it in OMI^O23."""
    return (
        ORC,
        f"TQ1|1||||||20260305{hour:02}0000+0000||R",
        f"OBR|{nth}|PL1^RIS||{code}^{code}^L",
        f"IPC|A1|RP1|1.2.3|S{nth}|{modality}|P{nth}^protocol^L|Room {nth}|L{nth}|{modality}{nth}",
    )


def test_groups_of_one_placer_order_number_are_the_steps_of_one_order() -> None:
    [wish] = wishes(*step(1, "RF"), *step(2, "MR", 10))
    request = wish.request
    assert (request.procedure.code, request.asked_for, request.study_instance_uid) == ("MRARTHRO", NINE, "1.2.3")
    assert request.steps == tuple(
        OrderedStep(
            step_id=f"S{nth}",
            modality=modality,
            protocol=(CodedConcept(code=f"P{nth}", text="protocol", system="L"),),
            station_name=f"Room {nth}",
            station_location=f"L{nth}",
            station_ae_title=f"{modality}{nth}",
            asked_for=time,
        )
        for nth, modality, time in ((1, "RF", None), (2, "MR", TEN))
    )


def test_groups_of_other_procedures_under_one_number_are_procedures_of_one_order() -> None:
    [wish] = wishes(ORC, "OBR|1|||CTCHEST^CT chest^L", ORC, "OBR|2|||CTABD^CT abdomen^L", kind="ORM^O01")
    assert wish.request.procedure.code == "CTCHEST"
    procedures = [each.procedure for each in wish.request.steps]
    assert procedures == [None, CodedConcept(code="CTABD", text="CT abdomen", system="L")]


def test_with_zds_an_obr_names_step_and_protocol_and_the_study_is_that_of_all() -> None:
    groups = (
        f"{ORC}\rOBR|{nth}|||X^x^L^P{nth}^p^L" + "|" * 14 + f"A1||S{nth}||||{modality}"
        for nth, modality in ((1, "RF"), (2, "MR"))
    )
    [wish] = wishes(*groups, "ZDS|1.2.3", kind="ORM^O01")
    request = wish.request
    assert request.accession_number is not None
    assert (request.accession_number.value, request.study_instance_uid) == ("A1", "1.2.3")
    assert [(each.step_id, each.modality, each.protocol[0].code) for each in request.steps] == [
        ("S1", "RF", "P1"),
        ("S2", "MR", "P2"),
    ]


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_what_we_tell_image_managers_is_read_as_the_order_that_it_is(version: str) -> None:
    first = Step(
        step_id="S1",
        modality="RF",
        station_ae_title="RF1",
        station_name="RF room",
        station_location="Level 1",
        starts_at=NINE,
        minutes=20,
        protocol=(CWE("P1", "first", "L"),),
    )
    second = Step(step_id="S2", modality="MR", station_ae_title="MR1", starts_at=TEN, minutes=20)
    order = Order(
        placer=EI("PL1", HD("RIS")),
        accession_number="A1",
        requested_procedure_id="RP1",
        procedure=CWE("MRARTHRO", "MR arthrography", "L"),
        study_instance_uid="1.2.3",
        steps=(first, second),
    )
    header = Header(sending=Sender("RIS", "NORTH"), receiving=Sender("FJ", "FJ"), at=NINE, version=version)
    patient = Patient(identifiers=(CX("P1", HD("HOSP")),))
    [wish] = read(procedure_message(header, patient, Visit(), order, Status(control="NW", status="SC", at=NINE)))
    request = wish.request
    assert (request.procedure.code, request.study_instance_uid, request.asked_for) == ("MRARTHRO", "1.2.3", NINE)
    assert [(each.step_id, each.modality, each.asked_for) for each in request.steps] == [
        ("S1", "RF", None),
        ("S2", "MR", TEN),
    ]
    if version == "2.5.1":
        assert (request.steps[0].station_name, request.steps[0].station_location) == ("RF room", "Level 1")


def test_other_numbers_other_controls_and_what_comes_after_them_are_wishes_of_their_own() -> None:
    found = wishes(
        *step(1, "RF"),
        "ORC|NW|PL2^RIS",
        "OBR|1|||X^x",
        *step(2, "MR"),
        "ORC|CA|PL1^RIS",
        "ORC|NW|PL1^OTHER",
        "OBR|1|||Y",
    )
    assert [(wish.control, str(wish.number)) for wish in found] == [
        ("NW", "PL1^RIS"),
        ("NW", "PL2^RIS"),
        ("CA", "PL1^RIS"),
        ("NW", "PL1^OTHER"),
    ]
    assert [len(wish.request.steps) for wish in found] == [2, 0, 0, 0]


def test_a_cancel_of_each_step_is_one_cancel_whatever_else_the_groups_say() -> None:
    [wish] = wishes("ORC|CA|PL1^RIS|F1", "ORC|CA|PL1^RIS|F2")
    assert wish.control == "CA"


def test_a_group_that_repeats_another_one_adds_nothing() -> None:
    [wish] = wishes(*step(1, "RF"), *step(1, "RF"))
    assert [each.step_id for each in wish.request.steps] == ["S1"]
    [plain] = wishes(ORC, "OBR|1|||X", ORC, "OBR|1|||X")
    assert plain.request.steps == ()


def test_a_replacement_may_have_several_groups() -> None:
    second = (segment.replace("NW|", "RO|") for nth in (1, 2) for segment in step(nth, "MR"))
    [wish] = wishes("ORC|RP|PL0^RIS", *second)
    assert wish.replacement is not None
    assert len(wish.replacement.steps) == 2


def test_one_group_may_say_for_all_and_the_most_urgent_one_decides() -> None:
    [wish] = wishes(
        ORC,
        "TQ1|1||||||||R",
        "OBR|1|||X^x",
        "IPC||||S1|CT",
        "ORC|NW|PL1^RIS" + "|" * 9 + "|77^Doe",
        "TQ1|1||||||||S",
        "OBR|2|||X^x" + "|" * 9 + "cough",
        "IPC|A1|RP1|1.2.3|S2|CT",
    )
    request = wish.request
    assert (request.priority, request.clinical.history) == (Priority.STAT, "cough")
    assert request.ordering_provider is not None
    assert request.accession_number is not None
    assert (request.accession_number.value, request.requested_procedure_id) == ("A1", "RP1")


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ("IPC|A2|RP1|1.2.3|S2|MR", "102"),
        ("IPC|A1^NORTH|RP1|1.2.3|S2|MR", "102"),
        ("IPC|A1|RP2|1.2.3|S2|MR", "102"),
        ("IPC|A1|RP1|1.2.4|S2|MR", "102"),
        ("IPC|A1|RP1|1.2.3|S1|MR", "205"),
    ],
)
def test_groups_that_contradict_each_other_are_refused_by_their_orc(other: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        wishes(*step(1, "RF"), ORC, "OBR|2|||X^x", other)
    [error] = refusal.value.errors
    assert (error.segment, error.sequence, error.code) == ("ORC", 2, code)


def test_an_order_has_a_bounded_number_of_steps() -> None:
    many = [segment for nth in range(51) for segment in (ORC, "OBR|1|||X^x", f"IPC||||S{nth}|CT")]
    with pytest.raises(Refusal, match="more than 50 steps"):
        wishes(*many)

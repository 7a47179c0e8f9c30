"""How the placer's segments become a request."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from fj_events import CodedConcept, Identifier, OrderedStep, PatientLocation, Priority, Sex, patient_key
from fj_hl7 import Item, Message, Place, Refusal
from fj_hl7.profile import DEFAULT_PLACES, Profile
from fj_runtime import Sites
from order_service.domain.order import Heard
from order_service.domain.wish import Wish
from order_service.entrypoints.hl7 import Translator

NAMESPACE = UUID(int=7)
MSH = "MSH|^~\\&|EHR|NORTHHOSP|FJ|FJ|20260302091500||ORM^O01|C1|P|2.5.1"
PID = "PID|1||P1^^^HOSP^MR~X9^^^NAT||Example^Ada^B||19700401|F|||1 Road^^Town^ST^12345^US||555-1"
ORC = "ORC|NW|PL1^EHR"
OBR = "OBR|1|||CTCHEST^CT chest^L"


def wishes(*segments: str, sites: Sites | None = None) -> list[Wish]:
    message = Message.parse("\r".join((MSH, PID, *segments)).encode())
    return [said.wish for said in Translator(sites or Sites.load(None), NAMESPACE).wishes(message)]


def test_a_plain_order_is_read_with_the_issuers_that_the_message_names() -> None:
    [wish] = wishes(ORC, OBR)
    request = wish.request
    assert (wish.control, request.site) == ("NW", "MAIN")
    assert request.placer_order_number == Identifier(value="PL1", issuer="EHR")
    assert request.patient.id == Identifier(value="P1", issuer="HOSP")
    assert request.patient.other_ids == (Identifier(value="X9", issuer="NAT"),)
    assert request.patient_id == patient_key(NAMESPACE, "HOSP", "P1")
    assert (request.patient.family_name, request.patient.given_name) == ("Example", "Ada")
    assert request.patient.sex is Sex.FEMALE
    assert request.patient.address is not None
    assert request.patient.address.city == "Town"
    assert (request.procedure.code, request.procedure.text) == ("CTCHEST", "CT chest")
    assert request.accession_number is None


def test_a_place_of_the_senders_own_before_all_orders_is_said_of_each_of_them() -> None:
    own = {Item.PRIORITY: (Place.parse("ZUR-1"),), Item.MODALITY: (Place.parse("OBX[3.1=DEVICE]-5"),)}
    segments = (MSH, PID, "ZUR|S", "OBX|1|ST|DEVICE||CT", ORC, OBR, "ORC|NW|PL2^EHR", OBR, "OBX|1|ST|DEVICE||MR")
    message = Message.parse("\r".join(segments).encode())
    message.profile = Profile(places={**DEFAULT_PLACES, **own}, own=frozenset(own))
    requests = [said.wish.request for said in Translator(Sites.load(None), NAMESPACE).wishes(message)]
    assert [(each.priority, each.modality) for each in requests] == [(Priority.STAT, "CT"), (Priority.STAT, "MR")]


@pytest.mark.parametrize(
    ("segments", "accession", "filler"),
    [
        (("ORC|NW|PL1|F1", OBR), "F1", "F1"),
        ((ORC, "OBR|1|||CT^x||||||||||||||A18"), "A18", None),
        ((ORC, "OBR|1|||CT^x||||||||||||||||A20"), "A20", None),
        (("ORC|NW|PL1|F1", OBR, "IPC|A-IPC^AUTH|RP1|1.2.3|SPS1|CT"), "A-IPC", "F1"),
        (("ORC|NW|PL1|FILLER-LONGER-THAN-SH", "OBR|1|||CT^x||||||||||||||A18"), "A18", "FILLER-LONGER-THAN-SH"),
        ((ORC, "OBR|1|||CT^x||||||||||||||LONGER-THAN-SIXTEEN"), None, "LONGER-THAN-SIXTEEN"),
    ],
)
def test_the_accession_number_is_the_first_that_is_not_empty_and_fits(
    segments: tuple[str, ...], accession: str | None, filler: str | None
) -> None:
    [wish] = wishes(*segments)
    found, kept = wish.request.accession_number, wish.request.filler_order_number
    assert (found.value if found else None, kept.value if kept else None) == (accession, filler)


@pytest.mark.parametrize(
    ("segments", "priority"),
    [
        ((ORC, OBR), Priority.ROUTINE),
        (("ORC|NW|PL1|||||^^^^^S", OBR), Priority.STAT),
        ((ORC, "TQ1|1||||||||A", OBR), Priority.ASAP),
        ((ORC, "OBR|1|||CT^x|||||||||||||||||||||||^^^^^S"), Priority.STAT),
        (("ORC|NW|PL1|||||^^^^^R", "TQ1|1||||||||S", OBR), Priority.STAT),
    ],
)
def test_the_priority_comes_from_where_the_version_of_the_sender_puts_it(
    segments: tuple[str, ...], priority: Priority
) -> None:
    [wish] = wishes(*segments)
    assert wish.request.priority is priority


@pytest.mark.parametrize(
    "segments",
    [
        ("ORC|NW|PL1|||||^^^20260305140000", OBR),
        (ORC, "TQ1|1||||||20260305140000", OBR),
        (ORC, "OBR|1|||CT^x" + "|" * 32 + "20260305140000"),
    ],
)
def test_the_time_asked_for_is_in_the_zone_of_the_senders_site(tmp_path: Path, segments: tuple[str, ...]) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text("sites:\n  NORTH:\n    time_zone: Europe/Berlin\n    senders: [{facility: NORTHHOSP}]\n")
    [wish] = wishes(*segments, sites=Sites.load(file))
    assert wish.request.site == "NORTH"
    assert wish.request.asked_for == datetime(2026, 3, 5, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pv1", "location"),
    [
        (
            "PV1|1|I|4W^401^2^MAIN^^^^3",
            PatientLocation(point_of_care="4W", room="401", bed="2", floor="3", facility="MAIN"),
        ),
        ("PV1|1|I|ICU", PatientLocation(point_of_care="ICU")),
        ("PV1|1|I|", None),
        ('PV1|1|I|""', None),
        ("NTE|1||no visit", None),
    ],
)
def test_where_the_patient_is_is_read(pv1: str, location: PatientLocation | None) -> None:
    [wish] = wishes(pv1, ORC, OBR)
    assert wish.request.clinical.location == location


OBSERVED = (
    "NTE|1||Asked for by the heart\\T\\lung team~before Friday",
    "OBX|1|CE|MOD^Modality used^L||MR^IRM^DCM||||||O",
    "NTE|1||open scanner",
    "OBX|2|CE|REG^Region^L|1.1|774007^tête et/ou cou^SCT~24028007^^SCT||||||O",
    "OBX|3|FT|11322-5^History^LN||first line\\.br\\second ^ line||||||O",
    "OBX|4|NM|8302-2^Body height^LN||170|cm|||||O",
    "OBX|5|SN|2160-0||<^1.3|mg/dL|||||F",
    'OBX|6|ST|^Nothing||""||||||O',
    "OBX|7|ST|^Wrong||not this patient||||||W",
    "OBX|8|ED|PDF^Letter^L||APP^PDF^^Base64^SGVsbG8=||||||O",
)


def test_what_obx_and_nte_of_an_order_say_are_its_notes() -> None:
    message = Message.parse("\r".join((MSH, PID, "NTE|1||of the patient", ORC, OBR, *OBSERVED)).encode())
    [wish] = (said.wish for said in Translator(Sites.load(None), NAMESPACE).wishes(message))
    assert (wish.request.clinical.notes or "").split("\n") == [
        "Asked for by the heart&lung team",
        "before Friday",
        "Modality used: IRM (MR)",
        "open scanner",
        "Region: tête et/ou cou (774007), 24028007",
        "History: first line",
        "second ^ line",
        "Body height: 170 cm",
        "2160-0: < 1.3 mg/dL",
    ]
    assert wish.request.modality is None
    assert [warning for warning in message.warnings if "OBX" in warning] == [
        "OBX-5 of type ED is no text and was left out of the order's notes"
    ]


def test_notes_belong_to_their_own_order_and_have_an_end() -> None:
    first, second, third = wishes(
        ORC, OBR, "NTE|1||one", "ORC|NW|PL2^EHR", OBR, *[f"NTE|1||{nth:0200}" for nth in range(60)], "ORC|NW|PL3", OBR
    )
    assert (first.request.clinical.notes, third.request.clinical.notes) == ("one", None)
    notes = second.request.clinical.notes or ""
    assert (len(notes), notes[-1]) == (10_000, "…")


MADE = "20260302091500"


def obr(**fields: str) -> str:
    """An OBR with these fields, `f6` being OBR-6."""
    said = {int(name[1:]): text for name, text in fields.items()} | {4: "CT^x"}
    return "|".join(["OBR", *(said.get(nth, "") for nth in range(1, max(said) + 1))])


@pytest.mark.parametrize(
    ("segments", "hour"),
    [
        ((f"ORC|NW|PL1|||||^^^{MADE}", obr(f6="20260305120000", f7="20260305120000", f27=f"^^^{MADE}")), 12),
        ((f"ORC|NW|PL1|||||^^^{MADE}", obr(f6="20260305120000", f27="^^^20260305130000")), 13),
        ((ORC, obr(f6=MADE, f7="20260305120000")), 12),
        ((ORC, "TQ1|1||||20260305110000||R", obr(f7="20260305140000")), 14),
        (("ORC|NW|PL1|||||^ONCE^H001^20260305180000", obr(f6="20260305170000")), 18),
        (("ORC|NW|PL1|||||^^^20260301180000", obr(f7="20260305170000")), 18),
        ((ORC, obr(f6="20260301170000", f7=MADE)), None),
        ((f"ORC|NW|PL1|||||^^^{MADE}", obr(f7="20260302091530")), 9),
        ((ORC, OBR), None),
    ],
)
def test_the_time_asked_for_is_not_when_the_message_was_made_if_another_one_is_named(
    segments: tuple[str, ...], hour: int | None
) -> None:
    [wish] = wishes(*segments)
    assert (wish.request.asked_for.hour if wish.request.asked_for else None) == hour


def test_two_orders_of_a_message_have_each_the_time_of_its_own_obr() -> None:
    orc = f"ORC|NW|PL{{}}^EHR|||||1^^^{MADE}||{MADE}"
    first = obr(f6="20260305120000", f7="20260305120000", f27=f"1^^^{MADE}")
    second = obr(f6="20260305130000", f7="20260305130000", f27="1^^^20260305130000")
    found = wishes(orc.format(1), first, orc.format(2), second)
    assert [wish.request.asked_for.hour for wish in found if wish.request.asked_for] == [12, 13]


def test_the_study_uid_comes_from_zds_and_one_that_is_none_is_refused() -> None:
    [wish] = wishes(ORC, OBR, "ZDS|1.2.840.1^App^Type^DICOM")
    assert wish.request.study_instance_uid == "1.2.840.1"
    with pytest.raises(Refusal, match="ZDS-1"):
        wishes(ORC, OBR, "ZDS|not-a-uid")


def test_a_section_id_that_is_no_modality_is_left_to_the_catalogue() -> None:
    [ct] = wishes(ORC, "OBR|1|||X^x" + "|" * 20 + "CT")
    [rad] = wishes(ORC, "OBR|1|||X^x" + "|" * 20 + "RAD")
    assert (ct.request.modality, rad.request.modality) == ("CT", None)


def test_two_groups_are_two_orders_of_one_patient() -> None:
    first, second = wishes(ORC, OBR, "ORC|NW|PL2^EHR", "OBR|2|||MRHEAD^MR head^L")
    assert (first.request.procedure.code, second.request.procedure.code) == ("CTCHEST", "MRHEAD")
    assert first.request.patient_id == second.request.patient_id


@pytest.mark.parametrize(
    ("segments", "place"),
    [
        ((OBR,), "OBR-2|ORC"),
        (("ORC|NW", OBR), "ORC-2"),
        (("ORC||PL1", OBR), "ORC-1"),
        (("ORC|NW|PL1",), "OBR"),
        ((ORC, "OBR|1||"), "OBR-4"),
        ((), "ORC"),
    ],
)
def test_what_is_missing_is_refused_by_its_place(segments: tuple[str, ...], place: str) -> None:
    with pytest.raises(Refusal, match=place):
        wishes(*segments)


def test_a_patient_without_a_number_is_refused() -> None:
    message = Message.parse("\r".join((MSH, "PID|1||||Example^Ada", ORC, OBR)).encode())
    with pytest.raises(Refusal, match="PID-3"):
        Translator(Sites.load(None), NAMESPACE).wishes(message)


def test_orders_of_two_patients_in_one_message_are_refused() -> None:
    with pytest.raises(Refusal, match="more than one patient"):
        wishes(ORC, OBR, "PID|2||P2^^^HOSP^MR||Example^Eda", "ORC|NW|PL2^EHR", OBR)


def test_a_cancel_needs_no_procedure() -> None:
    [wish] = wishes("ORC|CA|PL1^EHR" + "|" * 14 + "NOTNEEDED^No longer needed")
    assert (wish.control, wish.reason) == ("CA", "No longer needed")


def test_a_replacement_belongs_to_the_order_before_it() -> None:
    [replaced, other] = wishes("ORC|RP|PL1^EHR", "ORC|RO|PL2^EHR", OBR, "ORC|CA|PL3^EHR")
    assert (replaced.control, replaced.number.value) == ("RP", "PL1")
    assert replaced.replacement is not None
    assert replaced.replacement.placer_order_number == Identifier(value="PL2", issuer="EHR")
    assert (other.control, other.replacement) == ("CA", None)


@pytest.mark.parametrize(
    "groups",
    [
        ("ORC|RP|PL1^EHR",),
        ("ORC|RO|PL2^EHR", OBR),
        ("ORC|CA|PL1^EHR", "ORC|RO|PL2^EHR", OBR),
        ("ORC|RP|PL1^EHR", "ORC|RO|PL2^EHR", OBR, "ORC|RO|PL3^EHR", OBR),
        ("ORC|RP|PL1^EHR", "ORC|RP|PL4^EHR", "ORC|RO|PL2^EHR", OBR),
    ],
)
def test_a_replacement_without_its_order_and_the_reverse_are_refused(groups: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as refusal:
        wishes(*groups)
    assert (refusal.value.errors[0].segment, refusal.value.errors[0].field) == ("ORC", 1)


def test_a_wish_says_when_its_message_and_when_it_was_made() -> None:
    [wish] = wishes("ORC|NW|PL1^EHR|||||||20260302090000+0000", OBR)
    assert wish.heard.transaction_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert wish.heard.said_at is not None


def test_a_clock_that_is_ahead_does_not_silence_those_who_come_later() -> None:
    [wish] = wishes("ORC|NW|PL1^EHR|||||||20990101", OBR)
    assert wish.heard.transaction_at is not None
    assert wish.heard.transaction_at <= datetime.now(UTC)


def test_a_time_that_is_none_is_left_out() -> None:
    [wish] = wishes("ORC|NW|PL1^EHR|||||||yesterday", OBR)
    assert wish.heard == Heard(said_at=wish.heard.said_at)


RF, MR = (
    "IPC|A1^MAIN|RP1|1.2.3|S1|RF|RF-ARTHRO^Joint injection^99FJ~RF-2|RF room|1^Level 1|RF1",
    "IPC|||1.2.3|S2|MR||||MR1",
)


def test_each_ipc_of_an_order_is_a_step() -> None:
    [two] = wishes(ORC, OBR, RF, MR)
    first, second = two.request.steps
    assert first == OrderedStep(
        step_id="S1",
        modality="RF",
        protocol=(CodedConcept(code="RF-ARTHRO", text="Joint injection", system="99FJ"), CodedConcept(code="RF-2")),
        station_name="RF room",
        station_location="Level 1",
        station_ae_title="RF1",
    )
    assert second == OrderedStep(step_id="S2", modality="MR", station_ae_title="MR1")


def test_a_single_ipc_speaks_of_the_order_and_is_its_step_where_it_says_more() -> None:
    [plain] = wishes(ORC, OBR, "IPC|A1^MAIN|RP1|1.2.3|S1|RF||||RF1")
    request = plain.request
    assert (request.steps, request.station_ae_title, request.scheduled_step_id) == ((), "RF1", "S1")
    for said, step in (
        ("RF-1", OrderedStep(step_id="S1", protocol=(CodedConcept(code="RF-1"),))),
        ("|RF room", OrderedStep(step_id="S1", station_name="RF room")),
        ("||1^Level 1", OrderedStep(step_id="S1", station_location="Level 1")),
    ):
        [more] = wishes(ORC, OBR, f"IPC|A1^MAIN|RP1|1.2.3|S1||{said}")
        assert (more.request.steps, more.request.scheduled_step_id) == ((step,), "S1")


def test_the_obr_of_a_single_order_with_zds_names_its_step_and_protocol() -> None:
    obr = "OBR|1|||X^x^L^P1^chest in two planes^L" + "|" * 14 + "A1||S1||||CR"
    [wish] = wishes(ORC, obr, "ZDS|1.2.3")
    protocol = CodedConcept(code="P1", text="chest in two planes", system="L")
    assert wish.request.steps == (OrderedStep(step_id="S1", modality="CR", protocol=(protocol,)),)
    assert wish.request.scheduled_step_id == "S1"
    [without] = wishes(ORC, obr)
    assert (without.request.steps, without.request.scheduled_step_id) == ((), None)


def test_the_steps_of_two_orders_are_not_mixed() -> None:
    first, second = wishes(ORC, OBR, RF, MR, "ORC|NW|PL2^EHR", OBR, "IPC|A2||1.2.4|S1|CT", "IPC|A2||1.2.4|S2|CT")
    assert [[step.modality for step in wish.request.steps] for wish in (first, second)] == [["RF", "MR"], ["CT", "CT"]]


def test_what_names_a_step_or_station_and_does_not_fit_into_the_worklist_is_left_out() -> None:
    ipc = "IPC||{id}||{id}|MR||{name}||A\\E\\B".format(id="S" * 17, name="N" * 17)
    [wish] = wishes(ORC, OBR, RF, ipc.replace("S" * 17, "", 1))
    assert wish.request.steps[1] == OrderedStep(modality="MR", station_name="N" * 16)
    message = Message.parse("\r".join((MSH, PID, ORC, OBR, ipc)).encode())
    [single] = (said.wish.request for said in Translator(Sites.load(None), NAMESPACE).wishes(message))
    assert single.steps == (OrderedStep(modality="MR", station_name="N" * 16),)
    assert (single.scheduled_step_id, single.station_ae_title, single.requested_procedure_id) == (None, None, None)
    assert [warning.split()[0] for warning in message.warnings] == ["IPC-4", "IPC-9", "IPC-2"]


def test_what_is_the_orders_own_stands_in_its_first_ipc() -> None:
    with pytest.raises(Refusal, match="IPC-3: the Study Instance UID is not that of the order's first IPC"):
        wishes(ORC, OBR, "IPC|A1|RP1||S1|RF", MR)


@pytest.mark.parametrize(
    ("other", "field", "code"),
    [
        ("IPC|A2|RP1|1.2.3|S2|MR", 1, "102"),
        ("IPC|A1^NORTH|RP1|1.2.3|S2|MR", 1, "102"),
        ("IPC|A1|RP2|1.2.3|S2|MR", 2, "102"),
        ("IPC|A1|RP1|1.2.4|S2|MR", 3, "102"),
        ("IPC|A1|RP1|1.2.3|S1|MR", 4, "205"),
        ("\r".join(["IPC"] * 50), 0, "100"),
    ],
)
def test_steps_that_are_not_of_one_order_are_refused_by_segment_and_field(other: str, field: int, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        wishes(ORC, OBR, RF, other)
    [error] = refusal.value.errors
    assert (error.segment, error.sequence, error.field, error.code) == ("IPC", 51 if field == 0 else 2, field, code)

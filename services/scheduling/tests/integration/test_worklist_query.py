"""What a modality may ask of the worklist, and what it is answered (PS3.4 Annex K, C.2.2.2)."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from fj_events import CodedConcept, Identifier, OrderPlaced, PatientPhi, Priority, Staff
from fj_testing import Feed, Services, eventually
from pydicom import Dataset

from services.scheduling.tests.builders import Modality, a_query, an_order, put

pytestmark = pytest.mark.servers


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 7, day, hour, minute, tzinfo=UTC)


def patient(number: str, family: str, given: str, issuer: str = "MAIN", **more: Any) -> PatientPhi:
    return PatientPhi(id=Identifier(value=number, issuer=issuer), family_name=family, given_name=given, **more)


def order(name: str, start: datetime, **given: Any) -> OrderPlaced:
    return an_order(accession_number=Identifier(value=name, issuer="MAIN"), asked_for=start, **given)


ORDERS = {
    made.accession_number.value: made
    for made in (
        order("CT-5-09", at(5, 9), patient=patient("100", "Doe", "Jane")),
        order("CT-5-11", at(5, 11), patient=patient("100", "Doe", "Jane", issuer="OTHER")),
        order("CT-6-20", at(6, 20), patient=patient("101", "Doe", "John", middle_name="X")),
        order("CT-7-18", at(7, 18), patient=patient("102", "Müller", "Jürgen"), priority=Priority.STAT),
        order("CT-7-19", at(7, 19), patient=patient("103", "O_Neill%", "Pat")),
        order(
            "MR-6-10",
            at(6, 10, 30),
            procedure=CodedConcept(code="MRBRAIN"),
            patient=patient("104", "Yamada", "Tarou", ideographic_name="山田^太郎", phonetic_name="やまだ^たろう"),
        ),
    )
}


@dataclass(frozen=True)
class Asked:
    """A modality that asks in July."""

    modality: Modality

    async def __call__(self, query: Dataset) -> list[str]:
        items, statuses = await self.modality.asks(query)
        assert statuses[-1] == 0x0000
        assert set(statuses[:-1]) <= {0xFF00}
        return [item.AccessionNumber for item in items]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(feed: Feed, modality: Modality) -> AsyncIterator[Asked]:
    await feed.publish(*ORDERS.values())
    for each in ORDERS.values():
        await eventually(partial(modality.sees, each))
    yield Asked(modality)


def step(**keys: str) -> Dataset:
    return a_query(**{"ScheduledProcedureStepStartDate": "20260701-20260731"} | keys)


def top(**keys: str) -> Dataset:
    query = step()
    for keyword, value in keys.items():
        put(query, keyword, value)
    return query


STARTS = [
    ("", "", {"CT-5-09", "CT-5-11", "CT-6-20", "CT-7-18", "CT-7-19", "MR-6-10"}),
    ("20260705", "", {"CT-5-09", "CT-5-11"}),
    ("2026.07.05", "", {"CT-5-09", "CT-5-11"}),
    ("20260706-20260707", "", {"CT-6-20", "CT-7-18", "CT-7-19", "MR-6-10"}),
    ("20260707-", "", {"CT-7-18", "CT-7-19"}),
    ("-20260705", "", {"CT-5-09", "CT-5-11"}),
    ("20260701-20260731", "103000", {"MR-6-10"}),
    ("20260701-20260731", "1030", {"MR-6-10"}),
    ("20260705", "1000-1200", {"CT-5-11"}),
    # Two ranges are one period: from 5 July, 10 am, until 7 July, 6 pm (PS3.4 Table K.6-1).
    ("20260705-20260707", "1000-1800", {"CT-5-11", "CT-6-20", "MR-6-10", "CT-7-18"}),
    ("20260705-20260707", "100000-175959", {"CT-5-11", "CT-6-20", "MR-6-10"}),
    ("20260705-20260707", "-1800", {"CT-5-09", "CT-5-11", "CT-6-20", "MR-6-10", "CT-7-18"}),
    ("20260706-", "1100-", {"CT-6-20", "CT-7-18", "CT-7-19"}),
    ("-20260705", "-1000", {"CT-5-09"}),
]


@pytest.mark.parametrize(("start_date", "start_time", "expected"), STARTS)
async def test_start(asked: Asked, start_date: str, start_time: str, expected: set[str]) -> None:
    query = a_query(ScheduledProcedureStepStartDate=start_date, ScheduledProcedureStepStartTime=start_time)
    assert set(await asked(query)) == expected


KEYS = [
    (step(Modality="MR"), {"MR-6-10"}),
    (step(Modality="CT\\MR"), set(ORDERS)),
    (step(Modality="XA"), set()),
    (step(ScheduledStationAETitle="MR1"), {"MR-6-10"}),
    # A group of stations (PS3.4 C.2.2.2.2: any of the values): by name, by name and pattern, one of them without work.
    (step(ScheduledStationAETitle="CT1\\MR1"), set(ORDERS)),
    (step(ScheduledStationAETitle="XA1\\MR?"), {"MR-6-10"}),
    (step(ScheduledStationAETitle="CT1\\XA1\\US1"), set(ORDERS) - {"MR-6-10"}),
    (step(ScheduledStationAETitle="XA1\\US1"), set()),
    (step(ScheduledStationAETitle="CT?", ScheduledProcedureStepStartDate="20260705"), {"CT-5-09", "CT-5-11"}),
    (top(PatientID="100"), {"CT-5-09", "CT-5-11"}),
    (top(PatientID="100", IssuerOfPatientID="OTHER"), {"CT-5-11"}),
    (top(PatientID="10*"), set(ORDERS)),
    (top(PatientName="Doe^Jane"), {"CT-5-09", "CT-5-11"}),
    (top(PatientName="DOE^*"), {"CT-5-09", "CT-5-11", "CT-6-20"}),
    (top(PatientName="doe^j?hn*"), {"CT-6-20"}),
    (top(PatientName="Doe"), set()),
    (top(PatientName="*"), set(ORDERS)),
    (top(PatientName="O_Neill%*"), {"CT-7-19"}),
    (top(PatientName="D_e*"), set()),
    (top(PatientName="MÜLLER*", SpecificCharacterSet="ISO_IR 100"), {"CT-7-18"}),
    (top(PatientName="山田*", SpecificCharacterSet="ISO_IR 192"), {"MR-6-10"}),
    (top(PatientName="Yamada*=山田^太郎", SpecificCharacterSet="ISO_IR 192"), {"MR-6-10"}),
    (top(AccessionNumber="CT-7-18"), {"CT-7-18"}),
    (top(AccessionNumber="CT-7*"), {"CT-7-18", "CT-7-19"}),
    (top(RequestedProcedureID=ORDERS["CT-7-18"].requested_procedure_id), {"CT-7-18"}),
    (
        top(StudyInstanceUID="\\".join(ORDERS[name].study_instance_uid for name in ("CT-7-18", "MR-6-10"))),
        {"CT-7-18", "MR-6-10"},
    ),
    (step(ScheduledPerformingPhysicianName="House*"), set()),
]


@pytest.mark.parametrize(("query", "expected"), KEYS)
async def test_matching_keys(asked: Asked, query: Dataset, expected: set[str]) -> None:
    assert set(await asked(query)) == expected


async def test_step_id(asked: Asked, modality: Modality) -> None:
    (item,) = await modality.sees(ORDERS["CT-5-09"])
    step_id = item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID
    assert len(step_id) <= 16
    assert await asked(step(ScheduledProcedureStepID=step_id)) == ["CT-5-09"]


async def test_the_most_urgent_come_first_then_by_start(asked: Asked) -> None:
    assert await asked(step()) == ["CT-7-18", "CT-5-09", "CT-5-11", "MR-6-10", "CT-6-20", "CT-7-19"]


@pytest.mark.parametrize("implicit", [True, False])
async def test_only_what_was_asked_for_is_answered(asked: Asked, modality: Modality, implicit: bool) -> None:
    query = Dataset()
    query.AccessionNumber = "CT-5-09"
    query.PatientWeight = None
    query.ScheduledProcedureStepSequence = [Dataset()]
    query.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate = ""
    ((item,), statuses) = await modality.asks(query, implicit=implicit)
    assert statuses == [0xFF00, 0x0000]
    assert [element.keyword for element in item] == [
        "AccessionNumber",
        "PatientWeight",
        "ScheduledProcedureStepSequence",
    ]
    assert item.PatientWeight is None
    (only,) = item.ScheduledProcedureStepSequence
    assert [element.keyword for element in only] == ["ScheduledProcedureStepStartDate"]


@pytest.mark.parametrize("implicit", [True, False])
async def test_an_empty_sequence_is_answered_whole(asked: Asked, modality: Modality, implicit: bool) -> None:
    query = Dataset()
    query.AccessionNumber = "CT-5-09"
    query.RequestedProcedureCodeSequence = []
    query.ScheduledProcedureStepSequence = []
    ((item,), _) = await modality.asks(query, implicit=implicit)
    assert item.RequestedProcedureCodeSequence[0].CodeValue == "CTCHEST"
    assert item.RequestedProcedureCodeSequence[0].CodingSchemeDesignator == "L"
    (only,) = item.ScheduledProcedureStepSequence
    assert only.ScheduledProtocolCodeSequence[0].CodeMeaning == "Chest routine"
    assert only.ScheduledProcedureStepEndTime == "091500"


async def test_keys_that_are_not_supported_are_answered_empty_with_a_warning(asked: Asked, modality: Modality) -> None:
    query = a_query()
    query.AccessionNumber = "CT-5-09"
    query.BodyPartExamined = "CHEST"
    ((item,), statuses) = await modality.asks(query)
    assert statuses == [0xFF01, 0x0000]
    assert item.BodyPartExamined == ""


async def test_every_attribute_of_an_order_finds_its_place(feed: Feed, modality: Modality) -> None:
    made = an_order(
        ordering_provider=Staff(id="7", family_name="House", given_name="Greg"),
        procedure=CodedConcept(code="36643-5", text="XR Chest 2 Views", system="http://loinc.org"),
        modality="DX",
        priority=Priority.ASAP,
    )
    await feed.publish(made)
    query = a_query()
    for keyword in ("RequestingPhysician", "PlacerOrderNumberImagingServiceRequest", "ReasonForTheRequestedProcedure"):
        setattr(query, keyword, "")
    query.IssuerOfAccessionNumberSequence = []
    query.OrderPlacerIdentifierSequence = []
    query.RequestedProcedureCodeSequence = []
    query.AccessionNumber = made.accession_number.value

    async def answer() -> list[Dataset]:
        return (await modality.asks(query))[0]

    (item,) = await eventually(answer)
    assert item.RequestingPhysician == "House^Greg"
    assert item.PlacerOrderNumberImagingServiceRequest == f"PL{made.order_id.hex[:8]}"
    assert item.OrderPlacerIdentifierSequence[0].LocalNamespaceEntityID == "EHR"
    assert item.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "MAIN"
    assert item.ReasonForTheRequestedProcedure == "Cough"
    assert item.RequestedProcedureCodeSequence[0].CodingSchemeDesignator == "LN"
    assert item.RequestedProcedurePriority == "HIGH"
    assert item.RequestedProcedureDescription == "XR Chest 2 Views"
    only = item.ScheduledProcedureStepSequence[0]
    assert (only.Modality, only.ScheduledStationAETitle) == ("DX", "DX1")


CHARACTER_SETS = [
    ("", "CT-5-09", None),
    ("ISO_IR 100", "CT-5-09", "ISO_IR 100"),
    ("", "CT-7-18", "ISO_IR 192"),
    ("ISO_IR 100", "CT-7-18", "ISO_IR 100"),
    ("ISO_IR 192", "CT-7-18", "ISO_IR 192"),
    ("ISO_IR 100", "MR-6-10", "ISO_IR 192"),
    ("ISO_IR 144", "CT-7-18", "ISO_IR 192"),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", "MR-6-10", "ISO_IR 192"),
]


@pytest.mark.parametrize(("wanted", "accession", "answered"), CHARACTER_SETS)
async def test_character_set(
    asked: Asked, modality: Modality, wanted: str, accession: str, answered: str | None
) -> None:
    query = a_query()
    query.AccessionNumber = accession
    if wanted:
        query.SpecificCharacterSet = wanted.split("\\")
    ((item,), _) = await modality.asks(query)
    assert item.get("SpecificCharacterSet") == answered
    known = ORDERS[accession].patient
    assert item.PatientName.family_name == known.family_name
    assert item.PatientName.ideographic == (known.ideographic_name or "")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (step(ScheduledProcedureStepStartDate="July 5"), 0xA900),
        (step(ScheduledProcedureStepStartDate="20260231"), 0xA900),
        (step(ScheduledProcedureStepStartTime="25"), 0xA900),
        (step(ScheduledProcedureStepStartDate="-"), 0xA900),
    ],
)
async def test_what_cannot_be_understood_is_refused(modality: Modality, query: Dataset, status: int) -> None:
    items, statuses = await modality.asks(query)
    assert (items, statuses) == ([], [status])


async def test_two_items_in_the_step_sequence_are_refused(modality: Modality) -> None:
    query = a_query()
    query.ScheduledProcedureStepSequence = [Dataset(), Dataset()]
    query.ScheduledProcedureStepSequence[0].Modality = "CT"
    query.ScheduledProcedureStepSequence[1].Modality = "MR"
    assert await modality.asks(query) == ([], [0xA900])


@pytest.mark.skipif(shutil.which("findscu") is None, reason="needs DCMTK")
async def test_findscu(asked: Asked, dimse_port: int) -> None:
    arguments = [
        "-W",
        "-aec",
        "FJ_MWL",
        "-k",
        "0010,0010=Doe^*",
        "-k",
        "0008,0050",
        "-k",
        "(0040,0100)[0].0040,0001=CT1",
        "-k",
        "(0040,0100)[0].0040,0002=20260705-20260706",
    ]
    process = await asyncio.create_subprocess_exec(
        "findscu",
        *arguments,
        "127.0.0.1",
        str(dimse_port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    found = [name for name in ORDERS if f"[{name}" in output.decode()]
    assert found == ["CT-5-09", "CT-5-11", "CT-6-20"]


async def test_a_query_can_be_cancelled(asked: Asked, modality: Modality, services: Services) -> None:
    database = await asyncpg.connect(services.database("scheduling"))
    sent = Event()
    try:
        async with database.transaction():
            # Nothing is found before the cancel is there.
            await database.execute("LOCK TABLE worklist IN ACCESS EXCLUSIVE MODE")
            answers = asyncio.create_task(modality.gives_up(step(), sent))
            await eventually(sent.is_set)
        assert await answers == ([], [0xFE00])
    finally:
        await database.close()

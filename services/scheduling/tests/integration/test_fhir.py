"""FHIR R4: schedules, slots and appointments are read and searched; free slots are found as Argonaut has it."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fj_events import OrderPlaced, PatientMerged, PatientPhi, Priority, Source
from fj_testing import Feed, eventually

from services.scheduling.tests.builders import Modality, an_order, cancelled, in_progress
from services.scheduling.tests.desk import RITA, Desk
from services.scheduling.tests.exams import planned

pytestmark = pytest.mark.servers
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - ae_title: CT1
    modality: CT
    name: CT room
    opening_hours: [{days: [MO, TU, WE, TH, FR, SA, SU], opens: "08:00", closes: "09:00"}]
  - {ae_title: MR1, modality: MR, site: NORTH}
  - {ae_title: RF1, modality: RF}
procedures:
  - code: CTCHEST
    text: CT chest
    steps: [{modality: CT, duration_minutes: 15, preparation: Nothing to eat for four hours}]
  - {code: BOTH, text: Both, steps: [{modality: RF, duration_minutes: 20}, {modality: CT, duration_minutes: 10}]}
"""
SITES = "sites: {MAIN: {time_zone: Europe/Berlin}, NORTH: {time_zone: Europe/Berlin}}"
DAY = (datetime.now(UTC) + timedelta(days=9)).date()


class Client:
    """Somebody who speaks FHIR R4. All that comes back is valid."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def reads(self, address: str, status: int = 200) -> Any:
        answer = await self._http.get(f"/fhir/{address}")
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("application/fhir+json")
        body = answer.json()
        get_fhir_model_class(body["resourceType"]).model_validate(body)
        return body

    async def finds(self, address: str) -> list[Any]:
        return [entry["resource"] for entry in (await self.reads(address)).get("entry", [])]

    async def status(self, order: OrderPlaced) -> str:
        return str((await self.reads(f"Appointment/{order.order_id}"))["status"])

    async def has_status(self, status: str, order: OrderPlaced) -> bool:
        return await self.status(order) == status


@pytest.fixture
def client(http: httpx.AsyncClient) -> Client:
    return Client(http)


def berlin(hour: int, minute: int = 0, day: Any = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def schedule_of(client: Client, ae_title: str, site: str = "MAIN") -> str:
    (found,) = await client.finds(f"Schedule?identifier=urn:filmjacket:issuer:{site}|{ae_title}")
    return str(found["id"])


async def test_every_station_of_every_site_is_a_schedule(client: Client) -> None:
    found = await client.finds("Schedule")
    assert sorted((one["identifier"][0]["assigner"]["display"], one["identifier"][0]["value"]) for one in found) == [
        ("MAIN", "CT1"),
        ("MAIN", "RF1"),
        ("NORTH", "CT1"),
        ("NORTH", "MR1"),
        ("NORTH", "RF1"),
    ]
    (magnet,) = await client.finds("Schedule?service-type=MR")
    assert await client.reads(f"Schedule/{magnet['id']}") == magnet
    assert magnet["actor"][0]["type"] == "Device"
    page = await client.reads("Schedule?_count=2")
    assert (page["total"], len(page["entry"]), page["link"][-1]["relation"]) == (5, 2, "next")


async def test_the_times_of_a_station_are_slots_free_busy_or_blocked(
    feed: Feed, modality: Modality, client: Client, desk: Desk, http: httpx.AsyncClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    (await desk.books(order, berlin(8, 15))).raise_for_status()
    block = {
        "station_ae_title": "CT1",
        "starts_at": text(berlin(8, 45)),
        "ends_at": text(berlin(9)),
        "reason": "service",
    }
    (await http.post("/api/scheduling/blocks", json=block, headers=RITA)).raise_for_status()
    schedule = await schedule_of(client, "CT1")
    asked = f"Slot?schedule=Schedule/{schedule}&start=ge{text(berlin(0))}&start=lt{text(berlin(23))}"
    slots = await client.finds(asked)
    assert [(slot["start"][11:16], slot["end"][11:16], slot["status"]) for slot in slots] == [
        (text(berlin(8))[11:16], text(berlin(8, 15))[11:16], "free"),
        (text(berlin(8, 15))[11:16], text(berlin(8, 30))[11:16], "busy"),
        (text(berlin(8, 30))[11:16], text(berlin(8, 45))[11:16], "free"),
        (text(berlin(8, 45))[11:16], text(berlin(9))[11:16], "busy-unavailable"),
    ]
    assert len(await client.finds(f"{asked}&status=free")) == 2
    for slot in slots:
        assert (await client.reads(f"Slot/{slot['id']}"))["status"] == slot["status"]
    appointment = await client.reads(f"Appointment/{order.order_id}")
    assert appointment["slot"][0]["reference"] == f"Slot/{slots[1]['id']}"


async def test_slots_for_a_procedure_are_as_long_as_it_takes(client: Client) -> None:
    schedule = await schedule_of(client, "CT1", "NORTH")
    asked = f"Slot?schedule={schedule}&start={DAY + timedelta(days=1)}&service-type=CTCHEST&status=free"
    slots = await client.finds(asked)
    minutes = [datetime.fromisoformat(slot["end"]) - datetime.fromisoformat(slot["start"]) for slot in slots]
    assert minutes == [timedelta(minutes=15)] * 4
    page = await client.reads(f"{asked}&_count=3")
    assert (len(page["entry"]), page["link"][-1]["relation"]) == (3, "next")


async def test_free_slots_for_all_steps_are_found_as_appointments_that_may_be_made(
    feed: Feed, modality: Modality, client: Client
) -> None:
    day = DAY + timedelta(days=2)
    asked = f"start={text(berlin(0, day=day))}&end={text(berlin(23, day=day))}&service-type=BOTH"
    offers = await client.finds(f"Appointment/$find?{asked}")
    first = offers[0]
    assert (first["status"], first["start"]) == ("proposed", text(berlin(7, 40, day=day)))
    assert [one["actor"]["identifier"]["value"] for one in first["participant"]] == ["RF1", "CT1"]
    assert [one["status"] for one in first["participant"]] == ["needs-action"] * 2
    for slot in first["slot"]:
        assert (await client.reads(slot["reference"]))["status"] == "free"


async def test_how_an_exam_stands_is_the_status_of_its_appointment(
    feed: Feed, modality: Modality, client: Client, desk: Desk
) -> None:
    day = DAY + timedelta(days=4)
    orders = {name: an_order() for name in ("proposed", "booked", "arrived", "noshow", "waitlist", "fulfilled")}
    gone = an_order(priority=Priority.STAT)
    await planned(feed, modality, *orders.values(), gone)
    (await desk.books(orders["booked"], berlin(8, day=day))).raise_for_status()
    (await desk.does("arrive", orders["arrived"])).raise_for_status()
    (await desk.does("miss", orders["noshow"], wait=False)).raise_for_status()
    window = {"after": text(berlin(20, day=day)), "before": text(berlin(21, day=day))}
    (await desk.does("wait", orders["waitlist"], reason="on holiday", **window)).raise_for_status()
    await modality.begins(in_progress(orders["fulfilled"]))
    await feed.publish(cancelled(gone))
    await eventually(partial(client.has_status, "cancelled", gone))
    for status, order in (orders | {"cancelled": gone}).items():
        assert await client.status(order) == status
        numbers = f"identifier={order.accession_number.value}"
        assert [one["id"] for one in await client.finds(f"Appointment?{numbers}&status={status}")] == [
            str(order.order_id)
        ]
        assert await client.finds(f"Appointment?{numbers}&status=entered-in-error") == []
    booked = await client.reads(f"Appointment/{orders['booked'].order_id}")
    assert (booked["minutesDuration"], booked["patientInstruction"]) == (15, "Nothing to eat for four hours")
    assert booked["basedOn"][0]["reference"] == f"ServiceRequest/{orders['booked'].order_id}"
    waits = await client.reads(f"Appointment/{orders['waitlist'].order_id}")
    assert "start" not in waits
    assert waits["requestedPeriod"][0]["start"].startswith(text(berlin(20, day=day))[:16])
    assert (await client.reads(f"Appointment/{gone.order_id}"))["priority"] == 1


async def test_appointments_are_found_by_day_patient_and_order(
    feed: Feed, modality: Modality, client: Client, desk: Desk
) -> None:
    day = DAY + timedelta(days=6)
    early, late, other = (an_order() for _ in range(3))
    await planned(feed, modality, early, late, other)
    (await desk.books(late, berlin(8, 30, day=day))).raise_for_status()
    (await desk.books(early, berlin(8, day=day))).raise_for_status()
    ids = [str(early.order_id), str(late.order_id)]
    that_day = f"Appointment?date=ge{text(berlin(0, day=day))}&date=lt{text(berlin(23, day=day))}"
    assert [one["id"] for one in await client.finds(f"{that_day}&_sort=date")] == ids
    assert [one["id"] for one in await client.finds(f"{that_day}&_sort=-date&_count=1")] == ids[1:]
    assert (await client.reads(f"{that_day}&_summary=count"))["total"] == 2
    assert [one["id"] for one in await client.finds(f"Appointment?based-on=ServiceRequest/{ids[0]}")] == ids[:1]
    assert [one["id"] for one in await client.finds(f"Appointment?patient=Patient/{late.patient_id}")] == ids[1:]
    assert late.patient.id is not None
    number, issuer = late.patient.id.value, late.patient.id.issuer
    for said in (number, f"urn:filmjacket:issuer:{issuer}|{number}"):
        assert [one["id"] for one in await client.finds(f"Appointment?patient.identifier={said}")] == ids[1:]
    assert await client.finds(f"Appointment?patient.identifier=urn:filmjacket:issuer:OTHER|{number}") == []
    placer = late.placer_order_number
    assert placer is not None
    assert [
        one["id"] for one in await client.finds(f"Appointment?identifier=urn:filmjacket:issuer:EHR|{placer.value}")
    ] == ids[1:]
    assert await client.finds(f"Appointment?identifier=urn:filmjacket:issuer:NONE|{placer.value}") == []


async def test_after_a_merge_the_appointment_is_the_survivors(feed: Feed, modality: Modality, client: Client) -> None:
    gone, stays = an_order(), an_order()
    await planned(feed, modality, gone, stays)

    await feed.publish(
        PatientMerged(
            site="MAIN",
            patient_id=gone.patient_id,
            survivor_id=stays.patient_id,
            merged_at=datetime.now(UTC),
            patient=gone.patient,
            survivor=PatientPhi(id=stays.patient.id, family_name="Survivor"),
            source=Source.HL7,
        )
    )

    async def follows() -> bool:
        found = await client.finds(f"Appointment?patient={stays.patient_id}")
        return {one["id"] for one in found} == {str(gone.order_id), str(stays.order_id)}

    await eventually(follows)
    for patient in (gone.patient, stays.patient):
        assert patient.id is not None
        found = await client.finds(f"Appointment?patient.identifier={patient.id.value}")
        assert {one["id"] for one in found} == {str(gone.order_id), str(stays.order_id)}
    actor = (await client.reads(f"Appointment/{gone.order_id}"))["participant"][0]["actor"]
    assert (actor["reference"], actor["display"]) == (f"Patient/{stays.patient_id}", "Survivor")


async def test_a_search_may_come_as_a_form(http: httpx.AsyncClient) -> None:
    answer = await http.post("/fhir/Schedule/_search", data={"service-type": "MR"})
    assert [entry["resource"]["identifier"][0]["value"] for entry in answer.json()["entry"]] == ["MR1"]


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("Schedule/none", 404, "not-found"),
        ("Slot/none", 404, "not-found"),
        ("Appointment/7d0f8a52-0000-4000-8000-000000000000", 404, "not-found"),
        ("Slot?start=yesterday", 400, "value"),
        ("Slot?service-type=NONE", 400, "value"),
        ("Slot?schedule=Patient/1", 400, "value"),
        ("Appointment/$find?service-type=CTCHEST", 400, "value"),
        ("Appointment/$find?start=2030-01-01", 400, "value"),
        ("Appointment/$find?start=2030-01-01&service-type=CTCHEST&location=RF1", 400, "value"),
        ("Appointment?_sort=name", 400, "not-supported"),
        ("Patient/1", 404, "not-supported"),
    ],
)
async def test_what_does_not_fit_is_an_outcome(client: Client, address: str, status: int, code: str) -> None:
    outcome = await client.reads(address, status)
    assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", code)

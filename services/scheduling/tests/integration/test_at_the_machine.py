"""At the machine: begun and done by hand, noted upon; what the worklist and the agenda of a station say."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from fj_events import OrderHeld, OrderPlaced
from fj_hl7 import MllpClient
from fj_testing import Feed, Log, eventually
from pydicom import Dataset

from services.scheduling.tests.builders import (
    NOON,
    Modality,
    a_query,
    a_series,
    an_order,
    available,
    changed,
    ended,
    in_progress,
    matched,
    paused,
    put,
    relinked,
)
from services.scheduling.tests.desk import RITA, Desk
from services.scheduling.tests.exams import facts_of, planned

pytestmark = pytest.mark.servers
TESS = {"X-FJ-User": "tess"}
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - {ae_title: CT1, modality: CT, name: CT room, location: Floor 2}
  - ae_title: NM1
    modality: NM
    opening_hours: [{days: [MO, TU, WE, TH, FR, SA, SU], opens: "22:00", closes: "06:00"}]
procedures:
  - code: CTCHEST
    text: CT chest
    steps:
      - modality: CT
        duration_minutes: 15
        pre_medication: Prednisone 50 mg
        contrast_agent: Iohexol 350
        preparation: Nothing to eat for four hours
        protocol: [{code: SCOUT, system: 99FJ, text: Scout}, {code: CT-CHEST, system: 99FJ, text: Chest routine}]
  - code: BONE
    text: Bone scintigraphy
    steps: [{modality: NM, duration_minutes: 10, pause_minutes: 120}, {modality: NM, duration_minutes: 30}]
"""
SITES = "sites: {MAIN: {time_zone: Europe/Berlin}}"


class Technologist(Desk):
    """A person at the machine."""

    async def state(self, order: OrderPlaced) -> str:
        return str((await self.sees(order))["state"])

    async def is_in(self, state: str, order: OrderPlaced) -> bool:
        return await self.state(order) == state

    async def agenda(self, station: str, day: str, days: int = 1) -> Any:
        asked: dict[str, str | int] = {"station": station, "day": day, "days": days}
        return (await self._http.get("/api/scheduling/agenda", params=asked)).json()


@pytest.fixture
def tess(http: httpx.AsyncClient) -> Technologist:
    return Technologist(http, TESS)


async def the_step(modality: Modality, order: OrderPlaced, *keywords: str) -> Dataset:
    query = a_query()
    query.AccessionNumber = order.accession_number.value
    for keyword in keywords:
        put(query.ScheduledProcedureStepSequence[0], keyword, [] if keyword.endswith("Sequence") else "")
    ((item,), _) = await modality.asks(query)
    step: Dataset = item.ScheduledProcedureStepSequence[0]
    return step


async def test_an_exam_without_mpps_is_begun_and_done_by_hand(
    feed: Feed, modality: Modality, log: Log, tess: Technologist
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    assert (await tess.does("complete", order)).status_code == 409
    assert (await tess.does("start", order)).json()["state"] == "STARTED"
    assert await modality.sees(order) == []
    assert (await tess.does("start", order)).status_code == 409
    assert (await tess.does("complete", order)).json()["state"] == "COMPLETED"
    _, begun, done = await facts_of(log, order, 3)
    assert [(each.type, each.body["evidence"], each.body["actor"]) for each in (begun, done)] == [
        ("exam.started.v1", "person", "tess"),
        ("exam.completed.v1", "person", "tess"),
    ]
    assert (begun.body["station_ae_title"], begun.body["modality"]) == ("CT1", "CT")


async def test_where_a_modality_is_at_it_its_word_counts(feed: Feed, modality: Modality, tess: Technologist) -> None:
    order = an_order()
    await planned(feed, modality, order)
    uid, _ = await modality.begins(in_progress(order))
    refused = await tess.does("complete", order)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "an exam that is STARTED cannot be completed by hand: a modality is at it",
    )
    day = (await tess.agenda("CT1", "2026-03-02"))["steps"]
    shown = next(step for step in day if step["exam_key"] == str(order.order_id))
    assert (shown["performed"], shown["state"]) == ("IN PROGRESS", "STARTED")
    await modality.says(uid, ended("COMPLETED", a_series(["1.2.3"])))
    assert await tess.state(order) == "COMPLETED"


async def test_a_held_order_is_not_begun_by_hand(feed: Feed, modality: Modality, tess: Technologist) -> None:
    order = an_order()
    await planned(feed, modality, order)
    await feed.publish(paused(order, OrderHeld))

    async def gone() -> bool:
        return not await modality.sees(order)

    await eventually(gone)
    assert (await tess.does("start", order)).status_code == 409
    assert await tess.state(order) == "SCHEDULED"


async def test_steps_are_begun_and_done_one_by_one(feed: Feed, modality: Modality, tess: Technologist) -> None:
    order = an_order(procedure={"code": "BONE", "system": "L"})
    await planned(feed, modality, order)
    first, second = (step["step_id"] for step in (await tess.sees(order))["steps"])
    await tess.does("start", order, step_ids=[first])
    assert (await tess.does("complete", order, step_ids=[second])).status_code == 409
    half = await tess.does("complete", order, step_ids=[first])
    assert [step["state"] for step in half.json()["steps"]] == ["COMPLETED", "SCHEDULED"]
    (item,) = await modality.sees(order)
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == second
    await tess.does("start", order, step_ids=[second])
    assert (await tess.does("complete", order)).json()["state"] == "COMPLETED"


async def test_what_a_person_said_stands_when_its_images_turn_out_to_be_anothers(
    feed: Feed, modality: Modality, tess: Technologist
) -> None:
    order, other = an_order(), an_order()
    await planned(feed, modality, order, other)
    await tess.does("start", order)
    await tess.does("complete", order)
    uid = order.study_instance_uid
    await feed.publish(matched(order), available(uid), relinked(uid, order, other))
    await eventually(partial(tess.is_in, "COMPLETED", other))
    assert await tess.state(order) == "COMPLETED"


async def test_a_note_is_on_the_worklist_and_a_fact(
    feed: Feed, modality: Modality, log: Log, tess: Technologist
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    assert (await tess.does("notes", order, text="Left side hurts")).status_code == 201
    await feed.publish(changed(order, asked_for=NOON + timedelta(hours=1)))

    async def moved() -> bool:
        return bool((await tess.sees(order))["steps"][0]["starts_at"] == "2026-03-02T13:00:00Z")

    await eventually(moved)
    await tess.does("notes", order, text="Two pillows")
    step = await the_step(modality, order, "CommentsOnTheScheduledProcedureStep")
    assert step.CommentsOnTheScheduledProcedureStep == "tess: Left side hurts\r\ntess: Two pillows"
    records = await facts_of(log, order, 4)
    noted = records[1]
    assert (noted.type, noted.body["note"], noted.body["actor"]) == (
        "exam.noted.v1",
        {"text": "Left side hurts"},
        "tess",
    )
    assert [note["by"] for note in (await tess.sees(order))["notes"]] == ["tess", "tess"]
    assert (await tess.does("notes", order, text="")).status_code == 422


async def test_a_note_that_is_sent_again_is_one_note(
    feed: Feed, modality: Modality, log: Log, http: httpx.AsyncClient, tess: Technologist
) -> None:
    order, other = an_order(), an_order()
    await planned(feed, modality, order)
    await planned(feed, modality, other)
    said = {"text": "Left side hurts"}
    answers = [await tess.does_under("n1", "notes", order, **said) for _ in range(2)]
    assert [(answer.status_code, len(answer.json()["notes"])) for answer in answers] == [(201, 1)] * 2
    # Who says the same once more means it; so does somebody else who happens to use the same key.
    assert len((await tess.does_under("n2", "notes", order, **said)).json()["notes"]) == 2
    assert len((await Desk(http, RITA).does_under("n1", "notes", order, **said)).json()["notes"]) == 3
    for exam, text in ((order, "Two pillows"), (other, said["text"])):
        refused = await tess.does_under("n1", "notes", exam, text=text)
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert (await tess.sees(other))["notes"] == []
    await tess.does("start", order)
    told = [record.type for record in await facts_of(log, order, 5)]
    assert told == ["exam.scheduled.v1", *["exam.noted.v1"] * 3, "exam.started.v1"]


async def test_the_worklist_says_how_the_step_is_prepared_and_done(feed: Feed, modality: Modality) -> None:
    order = an_order()
    await planned(feed, modality, order)
    step = await the_step(
        modality,
        order,
        "PreMedication",
        "RequestedContrastAgent",
        "ScheduledProcedureStepLocation",
        "ScheduledProtocolCodeSequence",
    )
    assert [item.CodeValue for item in step.ScheduledProtocolCodeSequence] == ["SCOUT", "CT-CHEST"]
    assert (step.PreMedication, step.RequestedContrastAgent) == ("Prednisone 50 mg", "Iohexol 350")
    assert step.ScheduledProcedureStepLocation == "Floor 2"


async def test_the_agenda_of_a_night_in_which_the_clock_is_changed(
    feed: Feed, modality: Modality, tess: Technologist
) -> None:
    # At 03:00 CEST of 25 October 2026 it is 02:00 CET again: 02:30 is there twice.
    at = datetime.fromisoformat("2026-10-25T01:30:00+00:00")
    order = an_order(procedure={"code": "BONE", "system": "L"}, asked_for=at - timedelta(minutes=130))
    await planned(feed, modality, order)
    agenda = await tess.agenda("NM1", "2026-10-24", 2)
    assert agenda["time_zone"] == "Europe/Berlin"
    assert [(day["starts_at"], day["ends_at"]) for day in agenda["days"]] == [
        ("2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    ]
    assert {"starts_at": "2026-10-24T20:00:00Z", "ends_at": "2026-10-25T05:00:00Z"} in agenda["open"]
    steps = [(step["number"], step["starts_at"]) for step in agenda["steps"]]
    assert steps == [(1, "2026-10-24T23:20:00Z"), (2, "2026-10-25T01:30:00Z")]
    # The worklist has the clock on the wall, which shows 02:30 for both hours (IHE RAD-5 has no time zone).
    (first, second) = await modality.sees(order)
    shown = [item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime for item in (first, second)]
    assert sorted(shown) == ["012000", "023000"]


@pytest.mark.parametrize(
    "asked",
    [
        ("20261025013000", "2026-10-24T23:30:00Z"),
        ("20261025023000", "2026-10-25T00:30:00Z"),  # it comes twice: the first
        ("20270328023000", "2027-03-28T01:30:00Z"),  # it does not come: moved on by what was left out
    ],
)
async def test_a_scheduling_system_books_by_the_clock_on_the_wall_in_such_a_night(
    feed: Feed, modality: Modality, mllp_port: int, tess: Technologist, asked: tuple[str, str]
) -> None:
    wall, instant = asked
    order = an_order()
    await planned(feed, modality, order)
    placer = order.placer_order_number
    assert placer is not None
    segments = (
        f"MSH|^~\\&|BOOK|HOSP|FJ|FJ|20260302100000||SIU^S12^SIU_S12|{order.order_id.hex[:20]}|P|2.5.1",
        f"SCH|4711||{'|' * 8}^^^{wall}{'|' * 15}{placer.value}^EHR|",
        "RGS|1",
        "AIG|1||CT1",
    )
    client = MllpClient("127.0.0.1", mllp_port)
    await client.send(("\r".join(segments) + "\r").encode())
    await client.close()
    (step,) = (await tess.sees(order))["steps"]
    assert (step["starts_at"], step["booked"]) == (instant, True)

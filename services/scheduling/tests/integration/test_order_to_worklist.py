"""From the facts of others to what a modality sees (IHE RAD-4, RAD-5)."""

import httpx
import pytest
from fj_events import OrderHeld, OrderReleased, PatientUpdated, Priority, Source
from fj_testing import Feed, Log, eventually

from services.scheduling.tests.builders import Modality, an_order, cancelled, changed, paused
from services.scheduling.tests.exams import facts_of

pytestmark = pytest.mark.servers


async def test_a_placed_order_is_on_the_worklist(modality: Modality, feed: Feed, log: Log) -> None:
    order = an_order()
    await feed.publish(order)
    (item,) = await eventually(lambda: modality.sees(order))
    step = item.ScheduledProcedureStepSequence[0]
    assert (item.StudyInstanceUID, str(item.PatientName)) == (order.study_instance_uid, "Example^Ada")
    assert (step.ScheduledStationAETitle, step.Modality) == ("CT1", "CT")
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260302", "120000")
    (fact,) = await facts_of(log, order, 1)
    assert fact.type == "exam.scheduled.v1"
    assert fact.body["steps"][0]["step_id"] == step.ScheduledProcedureStepID


async def test_an_order_that_came_twice_is_planned_once(modality: Modality, feed: Feed, log: Log) -> None:
    order = an_order()
    (envelope,) = await feed.publish(order)
    await feed.repeat(order, envelope)
    await feed.publish(changed(order, priority=Priority.STAT))  # of the same key: it is read after the repetition
    facts = await facts_of(log, order, 2)
    assert [fact.type for fact in facts] == ["exam.scheduled.v1", "exam.rescheduled.v1"]
    assert len(await modality.sees(order)) == 1


async def test_a_changed_order_is_planned_again(modality: Modality, feed: Feed, log: Log) -> None:
    order = an_order()
    await feed.publish(order, changed(order, priority=Priority.STAT, station_ae_title="CT2"))
    facts = await facts_of(log, order, 2)
    assert [fact.type for fact in facts] == ["exam.scheduled.v1", "exam.rescheduled.v1"]
    (item,) = await modality.sees(order)
    assert item.RequestedProcedurePriority == "STAT"
    assert item.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "CT2"


async def test_a_cancelled_order_leaves_the_worklist(modality: Modality, feed: Feed, log: Log) -> None:
    order = an_order()
    await feed.publish(order, cancelled(order))
    facts = await facts_of(log, order, 2)
    assert [fact.type for fact in facts] == ["exam.scheduled.v1", "exam.cancelled.v1"]
    assert await modality.sees(order) == []


async def test_a_held_order_is_off_the_worklist_until_it_is_released(modality: Modality, feed: Feed, log: Log) -> None:
    order = an_order()
    await feed.publish(order, paused(order, OrderHeld), changed(order, station_ae_title="CT2"))
    await facts_of(log, order, 2)
    assert await modality.sees(order) == []
    await feed.publish(paused(order, OrderReleased))
    (item,) = await eventually(lambda: modality.sees(order))
    assert item.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "CT2"


async def test_the_worklist_shows_the_current_name(modality: Modality, feed: Feed) -> None:
    order = an_order()
    patient = order.patient.model_copy(update={"family_name": "Lovelace"})
    fact = PatientUpdated(
        site="MAIN", patient_id=order.patient_id, provisional=False, source=Source.HL7, patient=patient
    )
    await feed.publish(order, fact)

    async def is_shown() -> bool:
        return [item.PatientName for item in await modality.sees(order)] == ["Lovelace^Ada"]

    await eventually(is_shown)


async def test_exams_steps_and_catalogue_by_http(feed: Feed, http: httpx.AsyncClient, modality: Modality) -> None:
    order = an_order()
    await feed.publish(order)
    await eventually(lambda: modality.sees(order))
    found = (await http.get("/api/scheduling/exams", params={"order_id": str(order.order_id)})).json()["exams"]
    assert [(exam["state"], exam["accession_number"]["value"]) for exam in found] == [
        ("SCHEDULED", order.accession_number.value)
    ]
    one = await http.get(f"/api/scheduling/exams/{order.order_id}")
    assert one.json() == found[0]
    assert (await http.get("/api/scheduling/exams/none")).status_code == 404
    steps = (await http.get("/api/scheduling/steps", params={"station_ae_title": "CT1", "limit": 500})).json()["steps"]
    assert found[0]["steps"][0] in steps
    catalogue = (await http.get("/api/scheduling/catalogue")).json()
    assert "CTCHEST" in {procedure["code"] for procedure in catalogue["procedures"]}

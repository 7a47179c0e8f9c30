"""An order whose placer planned its steps, each at its own station (IHE RAD-4, several IPC)."""

import httpx
import pytest
from fj_events import ClinicalPhi, CodedConcept, OrderedStep
from fj_testing import Feed, Log, eventually
from pydicom import Dataset
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import Modality, a_query, a_series, an_order, changed, ended, in_progress

pytestmark = pytest.mark.servers

STEPS = tuple(
    OrderedStep(
        step_id=f"S{nth}",
        modality=modality,
        protocol=(CodedConcept(code=f"{modality}-ARTHRO", text="Joint", system="99FJ"),),
        station_ae_title=title,
    )
    for nth, modality, title in ((1, "RF", "RF1"), (2, "MR", "MR7"))
)


async def at(modality: Modality, station: str, study_uid: str) -> list[Dataset]:
    """The steps of a study that the worklist shows at a station."""
    found, _ = await modality.asks(a_query(ScheduledStationAETitle=station))
    return [each.ScheduledProcedureStepSequence[0] for each in found if each.StudyInstanceUID == study_uid]


async def test_each_step_is_at_its_own_station_and_the_exam_is_complete_when_both_are_done(
    feed: Feed, modality: Modality, log: Log, http: httpx.AsyncClient
) -> None:
    order = an_order(procedure=CodedConcept(code="CTCHEST", text="Arthrography"), modality="RF", steps=STEPS)
    await feed.publish(order)
    await eventually(lambda: modality.sees(order))
    for step in STEPS:
        (item,) = await at(modality, step.station_ae_title or "", order.study_instance_uid)
        assert (item.ScheduledProcedureStepID, item.Modality) == (step.step_id, step.modality)
    for step, state, left in zip(STEPS, ("STARTED", "COMPLETED"), (["S2"], []), strict=True):
        content = in_progress(
            order,
            ScheduledProcedureStepID=step.step_id,
            Modality=step.modality,
            PerformedStationAETitle=step.station_ae_title,
        )
        uid, _ = await modality.begins(content)
        assert (await modality.says(uid, ended("COMPLETED", a_series([generate_uid()])))).Status == 0x0000
        shown = [each.ScheduledProcedureStepSequence[0] for each in await modality.sees(order)]
        assert [item.ScheduledProcedureStepID for item in shown] == left
        assert (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()["state"] == state
    facts = await log.wait_for("exam-events", where=lambda record: record.key == str(order.order_id), count=3)
    assert [fact.type for fact in facts] == ["exam.scheduled.v1", "exam.started.v1", "exam.completed.v1"]
    assert [step["protocol"][0]["code"] for step in facts[0].body["steps"]] == ["RF-ARTHRO", "MR-ARTHRO"]


async def test_the_protocol_that_a_placer_names_for_its_only_step_and_its_notes_are_on_the_worklist(
    feed: Feed, modality: Modality
) -> None:
    only = STEPS[1].model_copy(update={"modality": "CT"})
    notes = ClinicalPhi(notes="Body height: 170 cm\nBody weight: 68 kg")
    order = an_order(steps=(only,), station_ae_title="MR7", clinical=notes)
    await feed.publish(order)
    await eventually(lambda: modality.sees(order))
    query = a_query(ScheduledStationAETitle="MR7")
    query.AccessionNumber, query.RequestedProcedureComments = order.accession_number.value, ""
    query.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence = []
    [entry], _ = await modality.asks(query)
    [item] = entry.ScheduledProcedureStepSequence
    assert (item.ScheduledProcedureStepID, item.Modality) == ("S2", "CT")
    assert [code.CodeValue for code in item.ScheduledProtocolCodeSequence] == ["MR-ARTHRO"]
    assert entry.RequestedProcedureComments.splitlines() == ["Body height: 170 cm", "Body weight: 68 kg"]


async def test_a_change_of_the_steps_before_the_start_moves_them(feed: Feed, modality: Modality) -> None:
    order = an_order(steps=STEPS)
    elsewhere = STEPS[1].model_copy(update={"station_ae_title": "MR8"})
    await feed.publish(order, changed(order, steps=(STEPS[0], elsewhere)))
    await eventually(lambda: at(modality, "MR8", order.study_instance_uid))
    assert await at(modality, "MR7", order.study_instance_uid) == []

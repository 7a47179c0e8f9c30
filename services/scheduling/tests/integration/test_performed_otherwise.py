"""Performed otherwise than one step for one request (IHE RAD SWF.b: group, append, wrong entry; PS3.16 CID 9300)."""

import httpx
import pytest
from fj_events import OrderPlaced
from fj_testing import Feed, Log
from pydicom import Dataset
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import Modality, a_series, an_order, code, ended, in_progress, matched
from services.scheduling.tests.exams import facts_of, planned, said

pytestmark = pytest.mark.servers


def wrong_entry(*series: Dataset) -> Dataset:
    """A final N-SET of a modality whose user had picked the wrong line."""
    given_up = ended("DISCONTINUED", *series)
    given_up.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code("110514", "DCM", "Incorrect entry")]
    return given_up


def grouped(*orders: OrderPlaced) -> Dataset:
    """One acquisition for several orders: a study of its own, each item names the request's own study."""
    study = generate_uid()
    items = []
    for order in orders:
        (item,) = in_progress(order, StudyInstanceUID=study).ScheduledStepAttributesSequence
        requested = Dataset()
        requested.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
        requested.ReferencedSOPInstanceUID = order.study_instance_uid
        item.ReferencedStudySequence = [requested]
        items.append(item)
    content = in_progress(orders[0])
    content.ScheduledStepAttributesSequence = items
    return content


async def test_the_wrong_worklist_entry_puts_everything_back(
    feed: Feed, modality: Modality, log: Log, http: httpx.AsyncClient
) -> None:
    wrong, right = an_order(), an_order()
    await planned(feed, modality, wrong, right)
    uid, _ = await modality.begins(in_progress(wrong))
    assert await modality.sees(wrong) == []
    assert (await modality.says(uid, wrong_entry(a_series([generate_uid()])))).Status == 0x0000
    assert len(await modality.sees(wrong)) == 1
    exam = (await http.get(f"/api/scheduling/exams/{wrong.order_id}")).json()
    assert (exam["state"], exam["steps"][0]["state"]) == ("SCHEDULED", "SCHEDULED")
    (mistake,) = exam["performed"]
    assert (mistake["sop_instance_uid"], mistake["discontinuation_reason"]["code"]) == (uid, "110514")
    assert (mistake["patient"]["family_name"], mistake["study_instance_uid"]) == (
        wrong.patient.family_name,
        wrong.study_instance_uid,
    )
    assert await said(log, wrong, 3) == ["scheduled", "started", "put_back"]
    again, _ = await modality.begins(in_progress(right))
    await modality.says(again, ended("COMPLETED", a_series([generate_uid()])))
    assert await said(log, right, 3) == ["scheduled", "started", "completed"]
    later, _ = await modality.begins(in_progress(wrong, StudyInstanceUID=generate_uid()))
    await modality.says(later, ended("COMPLETED", a_series([generate_uid(), generate_uid()])))
    assert await said(log, wrong, 5) == ["scheduled", "started", "put_back", "started", "completed"]
    records = await facts_of(log, wrong, 5)
    put_back, completed = records[2], records[4]
    assert (put_back.body["mpps_instance_uid"], put_back.body["number_of_instances"]) == (uid, 1)
    assert completed.body["number_of_instances"] == 2, "what was made for somebody else is not this exam's"


async def test_images_of_the_wrong_entry_do_not_start_the_exam_again(
    feed: Feed, modality: Modality, log: Log, http: httpx.AsyncClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    uid, _ = await modality.begins(in_progress(order))
    await modality.says(uid, wrong_entry(a_series([generate_uid()])))
    await feed.publish(matched(order))
    await planned(feed, modality, an_order())  # proves that the match has been taken
    assert len(await modality.sees(order)) == 1
    assert await said(log, order, 3) == ["scheduled", "started", "put_back"]


async def test_a_group_starts_and_ends_together(feed: Feed, modality: Modality, log: Log) -> None:
    orders = [an_order(), an_order(procedure={"code": "CTABD"}), an_order()]
    await planned(feed, modality, *orders)
    instances = [generate_uid(), generate_uid()]
    uid, status = await modality.begins(grouped(*orders))
    assert status.Status == 0x0000
    assert [await modality.sees(order) for order in orders] == [[], [], []]
    assert (await modality.says(uid, ended("COMPLETED", a_series(instances)))).Status == 0x0000
    for order in orders:
        assert await said(log, order, 3) == ["scheduled", "started", "completed"]
    keys = {str(order.order_id) for order in orders}
    records = [record for record in await log.read("exam-events") if record.key in keys]
    ends = [record for record in records if record.type == "exam.completed.v1"]
    assert {tuple(end.body["series"][0]["instances"]) for end in ends} == {tuple(instances)}
    assert len({end.body["study_instance_uid"] for end in ends}) == 1


async def test_a_group_that_was_the_wrong_entry_puts_all_of_it_back(feed: Feed, modality: Modality, log: Log) -> None:
    orders = [an_order(), an_order()]
    await planned(feed, modality, *orders)
    uid, _ = await modality.begins(grouped(*orders))
    await modality.says(uid, wrong_entry())
    for order in orders:
        assert len(await modality.sees(order)) == 1
        assert await said(log, order, 3) == ["scheduled", "started", "put_back"]


async def test_what_is_appended_is_told_with_what_was_there(feed: Feed, modality: Modality, log: Log) -> None:
    order = an_order()
    await planned(feed, modality, order)
    first, second = a_series([generate_uid()]), a_series([generate_uid(), generate_uid()])
    for series in (first, second):
        uid, _ = await modality.begins(in_progress(order))
        await modality.says(uid, ended("COMPLETED", series))
    assert await said(log, order, 5) == ["scheduled", "started", "completed", "started", "completed"]
    records = await facts_of(log, order, 5)
    assert records[-1].body["number_of_instances"] == 3


async def test_two_performed_steps_of_one_step_end_it_when_both_have_ended(
    feed: Feed, modality: Modality, log: Log
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    one, _ = await modality.begins(in_progress(order))
    two, _ = await modality.begins(in_progress(order))
    await modality.says(one, ended("COMPLETED", a_series([generate_uid()])))
    assert await said(log, order, 2) == ["scheduled", "started"]
    await modality.says(two, ended("COMPLETED", a_series([generate_uid()])))
    assert await said(log, order, 3) == ["scheduled", "started", "completed"]


async def test_performed_and_scheduled_stand_side_by_side(
    feed: Feed, modality: Modality, http: httpx.AsyncClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    content = in_progress(order, PerformedStationAETitle="CT9", PerformedStationName="Spare CT")
    content.ProcedureCodeSequence = [code("CTCHESTCM", "L", "CT chest with contrast")]
    uid, _ = await modality.begins(content)
    end = ended("COMPLETED", a_series([generate_uid()]))
    end.PerformedProcedureStepDescription = "Chest, contrast"
    end.PerformedProtocolCodeSequence = [code("CT-CHEST", "99FJ", "Chest routine")]
    await modality.says(uid, end)
    exam = (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()
    (performed,) = exam["performed"]
    assert (exam["steps"][0]["station_ae_title"], performed["station_ae_title"]) == ("CT1", "CT9")
    assert performed["procedure"][0]["code"] == "CTCHESTCM"
    assert (performed["description"], performed["station_name"]) == ("Chest, contrast", "Spare CT")
    assert performed["differs"] == ["station", "procedure"]

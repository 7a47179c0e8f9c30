"""Instances that came again with other bytes, beside the first: where both come from, and in what they differ."""

from typing import Any

import httpx
import pytest
from fj_testing import Feed, eventually
from pydicom import Dataset

from services.storage.tests.builders import RECEIVED_AT, Exam, Image, Packer, items

pytestmark = pytest.mark.servers


async def compared(tess: httpx.AsyncClient, exam: Exam, count: int, **asked: Any) -> dict[str, Any]:
    """What is said of a study's conflicts, as soon as there are so many."""
    found: dict[str, Any] = {}

    async def all_are_there() -> bool:
        nonlocal found
        found = (await tess.get(f"/studies/{exam.study_uid}/conflicts", params=asked)).raise_for_status().json()
        return bool(found["total"] == count)

    await eventually(all_are_there, within=30, what=f"{count} conflicts")
    return found


def differing(beside: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What differs, by its place in the data set."""
    found = beside["attributes"]
    return {one["keyword"]: (one["first"], one["other"]) for one in found if one["agreement"] == "differs"}


def again(exam: Exam, first: Image, number: int = 1, **changed: Any) -> Image:
    return exam.image(first.series, 1, number, SOPInstanceUID=first.uid, **changed)


async def test_two_instances_of_one_uid_stand_beside_each_other_with_their_senders_and_what_differs(
    feed: Feed, packer: Packer, tess: httpx.AsyncClient
) -> None:
    exam = Exam()
    step = Dataset()
    step.ScheduledProcedureStepID = "S1"
    (first,) = exam.images(1, StationName="CT1", RequestAttributesSequence=items(step))
    other_step = Dataset()
    other_step.ScheduledProcedureStepID = "S2"
    whose: dict[str, Any] = {"PatientID": "P9", "PatientName": "Müller^Zoë", "PatientSex": "M"}
    other = again(exam, first, StationName="CT1", RequestAttributesSequence=items(other_step), **whose)
    await feed.publish(
        await packer.ship(exam, [*exam.images(2)]),
        await packer.ship(exam, [first]),
        await packer.ship(exam, [other], calling_ae_title="CT2"),
    )
    (beside,) = (await compared(tess, exam, 1))["instances"]
    assert (beside["series_instance_uid"], beside["sop_instance_uid"]) == (first.series, first.uid)
    for kept, image, revision, sender in ((beside["first"], first, 0, "CT1"), (beside["other"], other, 1, "CT2")):
        said = (kept["revision"], kept["sha256"], kept["size"], kept["transfer_syntax_uid"])
        assert said == (revision, image.sha256, len(image.data), image.transfer_syntax)
        came = (kept["calling_ae_title"], kept["source"], kept["received_at"])
        assert came == (sender, "DIMSE", RECEIVED_AT.isoformat().replace("+00:00", "Z"))
    assert differing(beside) == {
        "PatientID": (exam.patient_number, "P9"),
        "PatientName": ("Example^Ada", "Müller^Zoë"),
        "PatientSex": ("", "M"),
        "RequestAttributesSequence[1].ScheduledProcedureStepID": ("S1", "S2"),
    }
    alike = {one["name"]: one["first"] for one in beside["attributes"] if one["agreement"] == "agrees"}
    assert (alike["Accession Number"], alike["Station Name"]) == (exam.accession, "CT1")
    assert (beside["pixels"], beside["unreadable"]) == ("agrees", None)


async def test_in_a_pack_that_was_joined_each_part_says_who_sent_it(
    feed: Feed, packer: Packer, tess: httpx.AsyncClient
) -> None:
    exam = Exam()
    (first,) = exam.images(1)
    other = again(exam, first, 7)
    fact = await packer.join(exam, {"CT1": first, "CT2": other})
    await feed.publish(fact)
    (beside,) = (await compared(tess, exam, 1))["instances"]
    assert [beside[side]["calling_ae_title"] for side in ("first", "other")] == ["CT1", "CT2"]


async def test_where_only_the_pixels_differ_that_is_said(feed: Feed, packer: Packer, tess: httpx.AsyncClient) -> None:
    exam = Exam()
    (first,) = exam.images(1)
    other = again(exam, first, PixelData=bytes(16 * 16 * 2))
    await feed.publish(await packer.ship(exam, [first]), await packer.ship(exam, [other]))
    (beside,) = (await compared(tess, exam, 1))["instances"]
    assert (differing(beside), beside["pixels"]) == ({}, "differs")


async def test_each_later_one_stands_beside_the_first_and_a_page_of_them_is_given(
    feed: Feed, packer: Packer, tess: httpx.AsyncClient
) -> None:
    exam = Exam()
    first, plain = exam.images(2)
    seventh, eighth = again(exam, first, 7), again(exam, first, 8)
    await feed.publish(
        await packer.ship(exam, [plain, first]),
        await packer.ship(exam, [seventh]),
        await packer.ship(exam, [seventh, plain, eighth], calling_ae_title="CT3"),
    )
    found = await compared(tess, exam, 2)
    shown = [(one["first"]["sha256"], one["other"]["revision"], one["other"]["sha256"]) for one in found["instances"]]
    assert shown == [(first.sha256, 1, seventh.sha256), (first.sha256, 2, eighth.sha256)]
    assert [one["other"]["calling_ae_title"] for one in found["instances"]] == ["CT1", "CT3"]
    assert [differing(one)["InstanceNumber"] for one in found["instances"]] == [("1", "7"), ("1", "8")]
    page = await compared(tess, exam, 2, limit=1)
    assert page["instances"] == found["instances"][:1]


async def test_what_cannot_be_read_any_more_is_said_beside_what_is_known_of_it(
    feed: Feed, packer: Packer, tess: httpx.AsyncClient
) -> None:
    exam = Exam()
    (first,) = exam.images(1)
    other = again(exam, first, 7)
    pack = await packer.ship(exam, [other])
    await packer.store.delete(pack.pack.key)
    await feed.publish(await packer.ship(exam, [first]), pack)
    (beside,) = (await compared(tess, exam, 1))["instances"]
    assert beside["attributes"] == []
    assert "is not there" in beside["unreadable"]
    assert (beside["other"]["sha256"], beside["other"]["received_at"]) == (other.sha256, None)
    assert beside["first"]["calling_ae_title"] == "CT1"


async def test_a_study_without_conflicts_has_none(feed: Feed, packer: Packer, tess: httpx.AsyncClient) -> None:
    assert (await tess.get("/studies/1.2.3/conflicts")).json() == {"total": 0, "instances": []}

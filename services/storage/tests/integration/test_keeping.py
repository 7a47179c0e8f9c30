"""How long a running `storage` keeps studies: rules, holds, recalls, and what a person says."""

import asyncio
from collections.abc import Callable
from datetime import date

import pytest
from fj_testing import Feed, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import WHY, Study

pytestmark = pytest.mark.servers
LONG_AGO = date(2011, 5, 6)
RULES = """
retention:
  - name: us-10-years
    when: {modality: US}
    keep: {years: 10}
  - name: mr-100-years
    when: {modality: MR}
    keep: {years: 100}
rejected:
  - name: expired-notes
    codes: ["113039"]
    after: {days: 0}
"""


async def test_the_rules_can_be_asked_before_they_act(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study = study_of(Exam(modality="MR", study_date=LONG_AGO))
    await feed.publish(await packer.ship(study.exam, study.exam.images(1)))
    await study.available()
    then = (await study.http.get("/api/storage/retention/due", params={"on": "2111-05-06"})).json()
    assert then["by_rule"]["mr-100-years"] == 1
    (found,) = [one for one in then["studies"] if one["study_instance_uid"] == study.exam.study_uid]
    assert (found["rule"], found["since"]) == ("mr-100-years", "2111-05-06")
    before = (await study.http.get("/api/storage/retention/due", params={"on": "2111-05-05"})).json()
    assert study.exam.study_uid not in {one["study_instance_uid"] for one in before["studies"]}
    await study.shows(1)


async def test_what_is_on_hold_is_never_retired_and_a_hold_recalls_what_is(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study = study_of(Exam(modality="US", study_date=LONG_AGO))
    await feed.publish(await packer.ship(study.exam, study.exam.images(2)))
    await study.told("study.retired.v1")
    assert (await study.http.post(f"{study.api}/hold", json=WHY)).status_code == 401
    held = await study.says("hold")
    assert held.status_code == 200
    assert (await study.says("hold")).json() == held.json()  # who had no answer asks again
    (recalled,) = await study.told("study.recalled.v1")
    assert (recalled["cause"], recalled["number_of_instances"]) == ("hold", 2)
    (told,) = await study.told("study.held.v1")
    assert (told["actor"], told["reason"], told["hold_id"]) == (
        "records.officer",
        "court order",
        held.json()["hold_id"],
    )
    assert (await study.says("retire")).status_code == 409
    assert (await study.says("reject", code="113039")).status_code == 200
    await asyncio.sleep(1)  # three looks of the clock
    assert (await study.types()).count("study.retired.v1") == 1
    assert (await study.says("restore")).status_code == 200
    await study.shows(2)

    assert (await study.says(f"holds/{held.json()['hold_id']}/lift")).status_code == 200
    (lifted,) = await study.told("study.hold_lifted.v1")
    assert not lifted["still_held"]
    await study.told("study.retired.v1", 2)
    assert (await study.keeping())["holds"] == []


async def test_a_hold_on_a_patient_holds_what_comes_later_too(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    first = study_of(Exam(modality="CT"))
    second = study_of(Exam(modality="US", study_date=LONG_AGO, patient_number=first.exam.patient_number))
    await feed.publish(await packer.ship(first.exam, first.exam.images(1)))
    await first.available()
    assert (await first.says("hold", whole_patient=True)).status_code == 200
    await feed.publish(await packer.ship(second.exam, second.exam.images(1)))
    await second.available()
    (hold,) = (await second.keeping())["holds"]
    assert hold["patient_id"] == str(first.exam.patient_id)
    await asyncio.sleep(1)  # three looks of the clock
    assert "study.retired.v1" not in await second.types()
    await second.shows(1)


async def test_a_person_retires_and_recalls_and_a_restore_does_not_undo_that(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study = study_of(Exam())
    await feed.publish(await packer.ship(study.exam, study.exam.images(2)))
    await study.available()
    assert (await study.says("recall")).status_code == 409
    retired = await study.says("retire")
    assert (await study.says("retire")).json() == retired.json(), "said twice"
    assert (await study.told("study.retired.v1"))[0]["actor"] == "records.officer"
    await study.shows(0)
    assert (await study.says("restore")).status_code == 409
    assert (await study.says("recall")).status_code == 204
    await study.shows(2)
    assert (await study.told("study.recalled.v1"))[0]["cause"] == "person"
    assert (await study.types()).count("study.retired.v1") == 1


async def test_a_retrieval_is_noted_and_a_search_is_not(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study, searched = study_of(Exam()), study_of(Exam())
    for each in (study, searched):
        await feed.publish(await packer.ship(each.exam, each.exam.images(1)))
        await each.available()
        await each.shows(1)
    assert (await study.http.get(f"/dicomweb/studies/{study.exam.study_uid}/metadata")).status_code == 200

    async def noted() -> list[str]:
        rows = await study.pool.fetch("SELECT study_instance_uid FROM study_access")
        return [row["study_instance_uid"] for row in rows]

    await eventually(noted, within=30)
    assert study.exam.study_uid in await noted()
    assert searched.exam.study_uid not in await noted()


async def test_images_that_come_bring_a_retired_study_back(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study = study_of(Exam())
    images = study.exam.images(2)
    await feed.publish(await packer.ship(study.exam, images))
    await study.available()
    await study.says("retire")
    await study.shows(0)
    again = await packer.ship(study.exam, images)
    await feed.publish(again)
    (recalled,) = await study.told("study.recalled.v1")
    assert recalled["cause"] == "images"
    await study.shows(2)


async def test_a_rejection_that_is_taken_back_in_the_grace_keeps_the_study(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study = study_of(Exam())
    await feed.publish(await packer.ship(study.exam, study.exam.images(2)))
    await study.available()
    await study.says("reject", code="113039")
    await study.told("study.retired.v1")
    assert (await study.says("restore")).status_code == 200
    assert (await study.told("study.recalled.v1"))[0]["cause"] == "rule"
    await study.shows(2)

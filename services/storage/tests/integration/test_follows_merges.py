"""Studies of a merged number are the survivor's, for searches and for matching, until the merge is undone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import Identifier, PatientPhi
from fj_testing import Feed, Log, eventually, has_followed, merged, moved_with, unmerged, visits_followed

from services.storage.tests.builders import Exam, Packer

pytestmark = pytest.mark.servers


def whose(exam: Exam) -> tuple[UUID, PatientPhi]:
    assert exam.patient_id
    return exam.patient_id, exam.patient


async def under(http: httpx.AsyncClient, number: str | None, issuer: str | None = None) -> dict[str, str]:
    """The studies that QIDO-RS finds under a number, each with the number and name that it answers."""
    query = {"PatientID": number or "", **({"IssuerOfPatientID": issuer} if issuer else {})}
    answer = await http.get("/dicomweb/studies", params=query)
    found: list[dict[str, Any]] = answer.json() if answer.status_code == httpx.codes.OK else []

    def who(study: dict[str, Any]) -> str:
        return f"{study['00100020']['Value'][0]} {study['00100010']['Value'][0]['Alphabetic'].split('^')[0]}"

    return {study["0020000D"]["Value"][0]: who(study) for study in found}


async def shows(http: httpx.AsyncClient, number: str | None, wanted: dict[str, str], issuer: str | None = None) -> None:
    async def as_wanted() -> bool:
        return await under(http, number, issuer) == wanted

    await eventually(as_wanted, within=20, what=f"{wanted} under {number}")


@pytest.mark.parametrize("first", ["merge", "images"])
async def test_studies_of_a_merged_number_are_the_survivors(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient, first: str
) -> None:
    old, survivor = Exam(family_name="Unknown"), Exam()
    merge, images = merged(whose(old), whose(survivor)), await packer.ship(old, old.images(1))
    facts = [merge, images] if first == "merge" else [images, merge]
    envelopes = {fact.fact_type: (await feed.publish(fact))[0] for fact in facts}
    await feed.repeat(merge, envelopes[merge.fact_type])
    await feed.publish(await packer.ship(survivor, survivor.images(1)))
    name = f"{survivor.patient_number} Example"
    for number in (old.patient_number, survivor.patient_number):
        await shows(http, number, {old.study_uid: name, survivor.study_uid: name})
    assert await has_followed(log, "storage", envelopes[merge.fact_type].id) == [str(survivor.patient_id)]
    late = await packer.ship(old, old.images(1, series_number=2))
    await feed.publish(late)
    await shows(http, survivor.patient_number, {old.study_uid: name, survivor.study_uid: name})

    [undone] = await feed.publish(unmerged(merge))
    await shows(http, old.patient_number, {old.study_uid: f"{old.patient_number} Unknown"})
    await shows(http, survivor.patient_number, {survivor.study_uid: name})
    assert await has_followed(log, "storage", undone.id) == [str(old.patient_id)]


async def test_the_old_number_with_its_issuer_leads_to_a_survivor_of_another_issuer(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    old = Exam(family_name="Unknown")
    number = f"S{old.patient_number}"
    survivor = PatientPhi(id=Identifier(value=number, issuer="SOUTH"), family_name="Example")
    await feed.publish(await packer.ship(old, old.images(1)))
    assert old.patient.id
    issuer = old.patient.id.issuer
    await shows(http, old.patient_number, {old.study_uid: f"{old.patient_number} Unknown"}, issuer)
    merge = merged(whose(old), (uuid4(), survivor))
    await feed.publish(merge)
    found = {old.study_uid: f"{number} Example"}
    await shows(http, old.patient_number, found, issuer)
    await shows(http, number, found, "SOUTH")
    assert await under(http, old.patient_number, "SOUTH") == {}
    assert await under(http, number, issuer) == {}
    await feed.publish(unmerged(merge))
    await shows(http, old.patient_number, {old.study_uid: f"{old.patient_number} Unknown"}, issuer)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
async def test_an_order_of_the_survivor_takes_images_without_numbers_under_the_old_number(
    feed: Feed, log: Log, packer: Packer, order: tuple[int, ...]
) -> None:
    ordered, exam = Exam(), Exam(accession=None)
    facts = [ordered.order(), await packer.ship(exam, exam.images(1)), merged(whose(exam), whose(ordered))]
    for index in order:
        await feed.publish(facts[index])
    [matched] = await log.wait_for(
        "study-events", where=lambda r: (r.key, r.type) == (exam.study_uid, "study.matched.v1"), within=20
    )
    assert (matched.body["matched_by"], matched.body["order_id"]) == ("patient", str(ordered.order_id))


async def test_an_order_of_a_merged_number_takes_images_of_the_survivor(feed: Feed, log: Log, packer: Packer) -> None:
    ordered = Exam()
    exam = Exam(accession=None)
    await feed.publish(merged(whose(ordered), whose(exam)), ordered.order(), await packer.ship(exam, exam.images(1)))
    [matched] = await log.wait_for(
        "study-events", where=lambda r: (r.key, r.type) == (exam.study_uid, "study.matched.v1"), within=20
    )
    assert matched.body["order_id"] == str(ordered.order_id)


async def test_images_of_somebody_who_was_given_the_number_later_are_not_the_survivors(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    before, survivor = Exam(family_name="Unknown"), Exam()
    since = Exam(family_name="Newborn", patient_number=before.patient_number)
    shipped = await packer.ship(before, before.images(1))
    given_away = shipped.received_at + timedelta(minutes=1)
    of_another = (await packer.ship(since, since.images(1))).model_copy(
        update={"received_at": max(given_away, datetime.now(UTC)) + timedelta(minutes=1)}
    )
    await feed.publish(shipped, of_another, merged(whose(before), whose(survivor), until=given_away))
    await shows(http, survivor.patient_number, {before.study_uid: f"{survivor.patient_number} Example"})


async def test_studies_that_go_with_a_visit_are_followed_and_that_is_said_once(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient
) -> None:
    former, present, visit_id = Exam(family_name="Former"), Exam(family_name="Present"), uuid4()
    await feed.publish(former.order(), await packer.ship(former, former.images(1)))
    await log.wait_for(
        "study-events", where=lambda r: (r.key, r.type) == (former.study_uid, "study.matched.v1"), within=20
    )
    moved = moved_with(visit_id, former.order(), whose(present))
    [cause] = await feed.publish(moved)
    await feed.repeat(moved, cause)
    assert await visits_followed(log, "storage", cause.id) == [str(visit_id)]
    assert await under(http, present.patient_number) == {former.study_uid: f"{present.patient_number} Present"}
    assert await under(http, former.patient_number) == {}

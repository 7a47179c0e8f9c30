"""Images with the number of somebody else's order are kept, unconfirmed, until a person says whose they are."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fj_events import Identifier, OrderChanged, PatientPhi, PatientUpdated, Sex, Source
from fj_testing import Feed, Log, eventually
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import facts_of, knows

pytestmark = pytest.mark.servers
WHY = {"reason": "the wrong line was picked"}


async def listed(tess: httpx.AsyncClient, exam: Exam) -> set[str]:
    entries = (await tess.get("/exceptions", params={"limit": 500})).json()
    return {entry["kind"] for entry in entries if entry["study_instance_uid"] == exam.study_uid}


async def study(tess: httpx.AsyncClient, exam: Exam) -> dict[str, Any]:
    found: dict[str, Any] = (await tess.get(f"/studies/{exam.study_uid}")).json()
    return found


async def images_of_somebody_else(exam: Exam, feed: Feed, packer: Packer, pool: Pool) -> None:
    """The order and its numbers are Ada's, the images are Ben's."""
    await feed.publish(exam.order())
    await knows(pool, exam)
    ben = exam.patient.model_copy(update={"family_name": "Okafor", "given_name": "Ben", "sex": Sex.MALE})
    await feed.publish(await packer.ship(exam, exam.images(1), patient=ben))


async def test_another_name_is_told_at_once_and_a_person_decides(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer, pool: Pool
) -> None:
    exam = Exam()
    await images_of_somebody_else(exam, feed, packer, pool)
    [fact] = await facts_of(log, exam, "study.unmatched.v1")
    assert fact.body["contradicted_by"] == ["name", "sex"]
    assert fact.body["unconfirmed_order_id"] == str(exam.order_id)
    await facts_of(log, exam, "study.available.v1")
    assert await listed(tess, exam) == {"unconfirmed_study"}
    known = await study(tess, exam)
    assert (known["order_id"], known["unconfirmed_order_id"]) == (None, str(exam.order_id))
    assert known["contradicted_by"] == ["name", "sex"]

    best, *_ = (await tess.get(f"/studies/{exam.study_uid}/candidates")).json()
    said = {each["criterion"]: each for each in best["findings"]}
    assert best["order_id"] == str(exam.order_id)
    assert (said["accession"]["agreement"], said["patient_number"]["agreement"]) == ("agrees", "agrees")
    assert said["name"]["agreement"] == "differs"
    assert (said["name"]["images"], said["name"]["order"]) == ("Okafor, Ben", "Example, Ada")

    await feed.publish(await packer.ship(exam, exam.images(1, series_number=2)))
    await facts_of(log, exam, "study.updated.v1")
    linked = await tess.post(f"/studies/{exam.study_uid}/link", json={"order_id": str(exam.order_id), **WHY})
    assert (linked.json()["order_id"], linked.json()["contradicted_by"]) == (str(exam.order_id), [])
    assert not await listed(tess, exam)
    await facts_of(log, exam, "study.unmatched.v1", 1)

    # Taken back, the rules say again what they see.
    assert (await tess.post(f"/studies/{exam.study_uid}/undo", json=WHY)).json()["contradicted_by"] == ["name", "sex"]
    assert await listed(tess, exam) == {"unconfirmed_study"}
    await facts_of(log, exam, "study.unmatched.v1", 2)


async def test_an_order_that_comes_later_is_not_given_images_of_somebody_else(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    await feed.publish(await packer.ship(exam, exam.images(1)))
    await facts_of(log, exam, "study.unmatched.v1")
    assert await listed(tess, exam) == {"unmatched_study"}
    ben = PatientPhi(id=exam.patient.id, family_name="Okafor", given_name="Ben")
    await feed.publish(exam.order(patient=ben))
    _, fact = await facts_of(log, exam, "study.unmatched.v1", 2)
    assert fact.body["contradicted_by"] == ["name"]
    assert await listed(tess, exam) == {"unconfirmed_study"}

    corrected = exam.order()
    await feed.publish(
        OrderChanged(**{name: value for name, value in corrected if name != "replaces"}, changed=("patient",))
    )
    await facts_of(log, exam, "study.matched.v1")
    assert not await listed(tess, exam)


async def test_images_under_the_name_that_a_registration_gives_today_are_the_patients(
    feed: Feed, log: Log, packer: Packer, pool: Pool
) -> None:
    exam = Exam()
    before = PatientPhi(id=exam.patient.id, family_name="Meier", given_name="Berta")
    await feed.publish(exam.order(patient=before))
    await knows(pool, exam)
    await feed.publish(await packer.ship(exam, exam.images(1)))
    await facts_of(log, exam, "study.unmatched.v1")
    named = {"site": "MAIN", "patient_id": exam.patient_id, "source": Source.HL7, "patient": exam.patient}
    # What only images said of a patient does not confirm them.
    await feed.publish(PatientUpdated.model_validate({**named, "provisional": True}))
    await feed.publish(PatientUpdated.model_validate({**named, "provisional": False}))
    await facts_of(log, exam, "study.matched.v1")


async def test_an_emergency_patient_without_a_name_stays_with_the_order(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    nobody = exam.patient.model_copy(
        update={"id": Identifier(value="E1", issuer="MAIN"), "family_name": "Unknown", "given_name": "Female 7"}
    )
    await feed.publish(exam.order())
    await feed.publish(await packer.ship(exam, exam.images(1), patient=nobody, patient_id=uuid4()))
    await facts_of(log, exam, "study.matched.v1")


async def test_an_order_that_a_person_places_for_images_has_them(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam(accession=None, patient_number=None)
    await feed.publish(await packer.ship(exam, exam.images(1)))
    await facts_of(log, exam, "study.unmatched.v1")
    ordered = exam.order(actor="tess", patient=PatientPhi(family_name="Somebody", given_name="Else"))
    await feed.publish(ordered)
    [fact] = await facts_of(log, exam, "study.relinked.v1")
    assert (fact.body["order_id"], fact.body["actor"], fact.body["act"]) == (str(exam.order_id), "tess", "link")
    await eventually(lambda: _is_at(tess, exam), within=20, what="the study at its order")
    assert not await listed(tess, exam)


async def _is_at(tess: httpx.AsyncClient, exam: Exam) -> bool:
    return bool((await study(tess, exam))["order_id"] == str(exam.order_id))


async def test_instances_that_came_twice_are_settled_by_a_person_once(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    [first] = exam.images(1)
    again = exam.image(first.series, 1, 7, SOPInstanceUID=first.uid)
    await feed.publish(exam.order(), await packer.ship(exam, [first]), await packer.ship(exam, [again]))
    await facts_of(log, exam, "study.conflicted.v1")
    assert "uid_conflict" in await listed(tess, exam)
    for _ in range(2):
        answer = await tess.post(f"/studies/{exam.study_uid}/conflicts/settle", json={"reason": "numbered twice"})
        assert answer.status_code == 200
    assert "uid_conflict" not in await listed(tess, exam)
    [fact] = await facts_of(log, exam, "study.conflict_settled.v1")
    assert (fact.body["actor"], fact.body["reason"]) == ("tess", "numbered twice")
    assert (await tess.post("/studies/1.2.3/conflicts/settle", json={"reason": "no"})).status_code == 404


async def test_there_are_no_candidates_for_a_study_that_nobody_knows(tess: httpx.AsyncClient) -> None:
    answer = await tess.get("/studies/1.2.3/candidates")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")

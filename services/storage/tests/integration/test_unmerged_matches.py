"""What was matched while two patients counted as one: after the merge is undone it holds without it, or no more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import FormerHolder, PatientPhi
from fj_testing import Feed, Log, eventually, has_followed, merged, moved_with, unmerged
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study, facts_of, knows, types_of

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
WHY = {"reason": "seen"}
UNMERGED = "it was matched while two patients counted as one, and they do not any more"


def whose(exam: Exam) -> tuple[UUID, PatientPhi]:
    assert exam.patient_id
    return exam.patient_id, exam.patient


async def followed(feed: Feed, log: Log, fact: Any) -> None:
    """Storage has done what there is to do about it, also when it hears it twice."""
    [envelope] = await feed.publish(fact)
    await feed.repeat(fact, envelope)
    await has_followed(log, "storage", envelope.id)


async def is_at(tess: httpx.AsyncClient, exam: Exam, order: Exam | None) -> dict[str, Any]:
    study: dict[str, Any] = {}

    async def there() -> bool:
        study.clear()
        study.update((await tess.get(f"/studies/{exam.study_uid}")).json())
        return study.get("order_id") == (str(order.order_id) if order else None)

    await eventually(there, within=20, what="where the study belongs")
    return study


async def is_listed(tess: httpx.AsyncClient, exam: Exam, *kinds: str) -> None:
    async def there() -> bool:
        entries = (await tess.get("/exceptions", params={"limit": 500, "study": exam.study_uid})).json()
        return {e["kind"] for e in entries if e["study_instance_uid"] == exam.study_uid} == set(kinds)

    await eventually(there, within=20, what=f"{kinds} on the list")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)], ids=str)
async def test_the_only_order_of_both_is_that_of_one_again(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer, order: tuple[int, ...]
) -> None:
    ordered, exam = Exam(), Exam(accession=None)
    merge = merged(whose(exam), whose(ordered))
    facts = [ordered.order(), await packer.ship(exam, exam.images(1)), merge]
    for index in order:
        await feed.publish(facts[index])
    await is_at(tess, exam, ordered)
    undone = unmerged(merge).model_copy(update={"actor": "otto"})
    await followed(feed, log, undone)
    [fact] = await facts_of(log, exam, "study.relinked.v1")
    told = {name: fact.body.get(name) for name in ("act", "actor", "reason", "previous_order_id", "order_id")}
    assert told == {
        "act": "unmerge",
        "actor": "otto",
        "reason": UNMERGED,
        "previous_order_id": str(ordered.order_id),
        "order_id": None,
    }
    assert fact.body["patient_id"] == str(exam.patient_id)
    await is_listed(tess, exam, "unmatched_study")
    assert (await is_at(tess, exam, None))["unmatched_reason"].startswith(UNMERGED)

    await followed(feed, log, merge)
    await is_at(tess, exam, ordered)
    await is_listed(tess, exam)
    assert len(await facts_of(log, exam, "study.matched.v1", 2)) == 2


async def test_its_own_patients_order_has_it_at_once(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    ordered, own = Exam(), Exam()
    exam = Exam(accession=None, patient_number=own.patient_number)
    merge = merged(whose(own), whose(ordered))
    await feed.publish(ordered.order(requested_procedure_id="RP-SAME"), merge)
    images = exam.images(1)
    shipped = await packer.ship(exam, images)
    named = shipped.series.model_copy(update={"requested_procedure_id": "RP-SAME"})
    await feed.publish(shipped.model_copy(update={"series": named}))
    assert (await is_at(tess, exam, ordered))["matched_by"] == "step"
    await feed.publish(own.order(requested_procedure_id="RP-SAME"))
    await followed(feed, log, unmerged(merge))
    await is_at(tess, exam, own)
    assert (await types_of(log, exam))[-2:] == ["study.relinked.v1", "study.matched.v1"]
    await is_listed(tess, exam)


@pytest.mark.parametrize("first", ["merge", "images"])
async def test_a_number_whose_order_is_for_somebody_else_again_is_a_doubt_until_the_merge_is_made_again(
    tess: httpx.AsyncClient, feed: Feed, packer: Packer, study_of: Callable[[Exam], Study], first: str
) -> None:
    ordered, other = Exam(), Exam(family_name="Okafor")
    exam = Exam(accession=ordered.accession, family_name="Okafor", patient_number=other.patient_number)
    http, log = study_of(exam).http, study_of(exam).log
    merge = merged(whose(other), whose(ordered))
    facts = [ordered.order(), await packer.ship(exam, exam.images(1))]
    for fact in [merge, *facts] if first == "merge" else [*facts, merge]:
        await feed.publish(fact)
    assert (await is_at(tess, exam, ordered))["matched_by"] == "accession"
    before = (await types_of(log, exam)).count("study.unmatched.v1")
    await followed(feed, log, unmerged(merge))

    study = await is_at(tess, exam, None)
    assert (study["contradicted_by"], study["unconfirmed_order_id"]) == (["name"], str(ordered.order_id))
    assert study["unmatched_reason"].startswith(UNMERGED)
    assert "another name" in study["unmatched_reason"]
    unmatched = await facts_of(log, exam, "study.unmatched.v1", before + 1)
    assert unmatched[-1].body["reason"] == study["unmatched_reason"]
    await is_listed(tess, exam, "unconfirmed_study")
    found = (await http.get("/dicomweb/studies", params={"StudyInstanceUID": exam.study_uid})).json()
    assert found[0]["00100010"]["Value"][0]["Alphabetic"].split("^")[0] == "Okafor", "they stay visible, as they are"

    await followed(feed, log, merge)
    assert (await is_at(tess, exam, ordered))["contradicted_by"] == []
    await is_listed(tess, exam)


async def test_of_orders_of_both_with_one_number_the_images_have_that_of_whom_they_name(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer, pool: Pool
) -> None:
    ordered = Exam()
    own = Exam(accession=ordered.accession)
    exam = Exam(accession=ordered.accession, patient_number=own.patient_number)
    merge = merged(whose(own), whose(ordered))
    await feed.publish(merge, ordered.order())
    await knows(pool, ordered)
    await feed.publish(await packer.ship(exam, exam.images(1)))
    await is_at(tess, exam, ordered)
    await feed.publish(own.order())
    await knows(pool, own)
    await followed(feed, log, unmerged(merge))
    await is_at(tess, exam, own)


async def test_what_needs_no_merge_and_what_a_person_said_stays(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer, pool: Pool
) -> None:
    ordered, other = Exam(), Exam()
    numbered = Exam(accession=ordered.accession, patient_number=other.patient_number)
    linked = Exam(accession=None, patient_number=other.patient_number, family_name="Okafor")
    own = Exam(accession=ordered.accession, patient_number=ordered.patient_number)
    merge = merged(whose(other), whose(ordered))
    await feed.publish(merge, ordered.order())
    await knows(pool, ordered)
    exams = (numbered, own, linked)
    for exam in exams:
        await feed.publish(await packer.ship(exam, exam.images(1)))
    await facts_of(log, linked, "study.received.v1")
    wish = {"order_id": str(ordered.order_id), **WHY}
    assert (await tess.post(f"/studies/{linked.study_uid}/link", json=wish)).status_code == 200
    for exam in exams:
        await is_at(tess, exam, ordered)
    await followed(feed, log, unmerged(merge))
    for exam, rule in zip(exams, ("accession", "accession", "person"), strict=True):
        assert (await is_at(tess, exam, ordered))["matched_by"] == rule
    relinked = [
        record.body["act"]
        for record in await log.read("study-events")
        if record.type == "study.relinked.v1" and record.key in {exam.study_uid for exam in exams}
    ]
    assert relinked == ["link"]


async def test_an_unmerge_before_the_images_leaves_nothing_to_take_back(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    ordered, other = Exam(), Exam(family_name="Okafor")
    exam = Exam(accession=ordered.accession, family_name="Okafor", patient_number=other.patient_number)
    merge = merged(whose(other), whose(ordered))
    await feed.publish(ordered.order(), merge)
    await followed(feed, log, unmerged(merge))
    await feed.publish(await packer.ship(exam, exam.images(1)))
    await is_listed(tess, exam, "unconfirmed_study")
    assert not {"study.matched.v1", "study.relinked.v1"} & set(await types_of(log, exam))


async def test_a_number_that_leads_to_another_survivor_than_before_has_left_the_first(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    """The end of a chain is cut off: `patient` states for the number before it whose it is now."""
    ordered, middle, exam = Exam(), Exam(), Exam(accession=None)
    chain = [merged(whose(middle), whose(ordered)), merged(whose(exam), whose(ordered))]
    await feed.publish(*chain, ordered.order(), await packer.ship(exam, exam.images(1)))
    await is_at(tess, exam, ordered)
    await feed.publish(unmerged(chain[0]))
    await followed(feed, log, merged(whose(exam), whose(middle)))
    await is_at(tess, exam, None)
    await feed.publish(*chain)
    await is_at(tess, exam, ordered)


async def test_a_number_that_turns_out_to_have_been_given_out_again_before_the_images_was_not_the_survivors(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    """What was recorded under it earlier stays theirs, and matched."""
    ordered, other, exam, earlier = Exam(), Exam(), Exam(accession=None), Exam(accession=None)
    earlier.patient_number = exam.patient_number
    other.patient_number = ordered.patient_number
    merge = merged(whose(exam), whose(ordered))
    await feed.publish(merge, ordered.order(requested_procedure_id="RP1"), other.order(requested_procedure_id="RP2"))
    given_out = datetime.now(UTC) - timedelta(hours=1)
    for each, received_at, procedure in (
        (exam, given_out + timedelta(minutes=30), "RP1"),
        (earlier, given_out - timedelta(minutes=30), "RP2"),
    ):
        shipped = await packer.ship(each, each.images(1), received_at=received_at)
        series = shipped.series.model_copy(update={"requested_procedure_id": procedure})
        await feed.publish(shipped.model_copy(update={"series": series}))
    await is_at(tess, exam, ordered)
    await is_at(tess, earlier, other)
    _, survivor = whose(ordered)
    holder = FormerHolder(survivor_id=merge.survivor_id, until=given_out, survivor=survivor)
    given_away = unmerged(merge).model_copy(update={"until": given_out, "earlier": (holder,)})
    await followed(feed, log, given_away)
    await is_at(tess, exam, None)
    await is_at(tess, earlier, other)


async def test_an_order_that_had_gone_to_another_patient_with_its_visit_keeps_its_images(
    http: httpx.AsyncClient, tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    ordered, present, other = Exam(), Exam(), Exam()
    exam = Exam(accession=None, patient_number=ordered.patient_number)
    merge = merged(whose(other), whose(ordered))
    await feed.publish(merge, ordered.order(), await packer.ship(exam, exam.images(1)))
    await is_at(tess, exam, ordered)
    await feed.publish(moved_with(uuid4(), ordered.order(), whose(present)))

    async def is_the_present_ones() -> bool:
        hits = (await http.get("/dicomweb/studies", params={"PatientID": present.patient_number or ""})).json()
        return [hit["0020000D"]["Value"][0] for hit in hits] == [exam.study_uid]

    await eventually(is_the_present_ones, within=20)
    await followed(feed, log, unmerged(merge))
    await is_at(tess, exam, ordered)
    assert "study.relinked.v1" not in await types_of(log, exam)

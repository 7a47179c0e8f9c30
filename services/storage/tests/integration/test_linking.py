"""A person says to which order a study belongs; no rule decides against that, and it can be taken back."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fj_events import OrderChanged
from fj_testing import Feed, Log, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import facts_of

pytestmark = pytest.mark.servers
WHY = {"reason": "the wrong line was picked"}


async def available(exam: Exam, feed: Feed, log: Log, packer: Packer) -> None:
    await feed.publish(await packer.ship(exam, exam.images(1)))
    await facts_of(log, exam, "study.available.v1")


async def known(other: Exam, feed: Feed, log: Log, packer: Packer) -> None:
    """`storage` knows an order; a study of its own would be matched."""
    witness = Exam(accession=other.accession, patient_number=other.patient_number)
    await feed.publish(other.order())
    await feed.publish(await packer.ship(witness, witness.images(1)))
    await facts_of(log, witness, "study.matched.v1")


async def is_at(tess: httpx.AsyncClient, exam: Exam) -> tuple[Any, Any]:
    study = (await tess.get(f"/studies/{exam.study_uid}")).json()
    return study["order_id"], study["matched_by"]


async def listed(tess: httpx.AsyncClient, exam: Exam) -> bool:
    entries = (await tess.get("/exceptions", params={"limit": 500})).json()
    return any((e["study_instance_uid"], e["kind"]) == (exam.study_uid, "unmatched_study") for e in entries)


async def test_a_study_is_linked_to_another_order_and_back(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam, other = Exam(), Exam()
    await feed.publish(exam.order())
    await known(other, feed, log, packer)
    await available(exam, feed, log, packer)
    assert await is_at(tess, exam) == (str(exam.order_id), "study_uid")

    wish = {"order_id": str(other.order_id), **WHY}
    for _ in range(2):
        answer = await tess.post(f"/studies/{exam.study_uid}/link", json=wish)
        assert (answer.status_code, answer.json()["order_id"]) == (200, str(other.order_id))
    [fact] = await facts_of(log, exam, "study.relinked.v1", 1)
    told = {name: fact.body[name] for name in ("previous_order_id", "order_id", "act", "actor", "reason")}
    assert told == {
        "previous_order_id": str(exam.order_id),
        "order_id": str(other.order_id),
        "act": "link",
        "actor": "tess",
        "reason": WHY["reason"],
    }
    assert fact.body["accession_number"]["value"] == other.accession
    assert fact.body["previous_accession_number"]["value"] == exam.accession
    assert fact.body["ordered_study_instance_uid"] == other.study_uid

    await feed.publish(await packer.ship(exam, exam.images(1, series_number=2)))
    [late] = await facts_of(log, exam, "study.updated.v1")
    assert late.body["order_id"] == str(other.order_id)

    under = {"Idempotency-Key": exam.study_uid}
    for headers in (under, {}):
        answer = await tess.post(f"/studies/{exam.study_uid}/undo", json=WHY, headers=headers)
        assert (answer.status_code, answer.json()["matched_by"]) == (200, "study_uid")
    _, undone = await facts_of(log, exam, "study.relinked.v1", 2)
    assert (undone.body["act"], undone.body["order_id"]) == ("undo", str(exam.order_id))
    history = (await tess.get(f"/studies/{exam.study_uid}/links")).json()
    assert [(act["act"], act["actor"], act["accession_number"]["value"]) for act in history] == [
        ("link", "tess", other.accession),
        ("undo", "tess", exam.accession),
    ]

    assert (await tess.post(f"/studies/{exam.study_uid}/link", json=wish)).status_code == 200
    again = await tess.post(f"/studies/{exam.study_uid}/undo", json=WHY, headers=under)
    assert (again.status_code, again.json()["order_id"]) == (200, str(other.order_id))
    assert len((await tess.get(f"/studies/{exam.study_uid}/links")).json()) == 3


async def test_no_rule_decides_against_a_person_and_the_rules_are_back_after_an_undo(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    order = exam.order()
    await available(exam, feed, log, packer)
    await eventually(lambda: listed(tess, exam), within=20, what="the study on the list")
    await feed.publish(order)
    await facts_of(log, exam, "study.matched.v1")
    assert not await listed(tess, exam)
    for _ in range(2):
        assert (await tess.post(f"/studies/{exam.study_uid}/unlink", json=WHY)).json()["order_id"] is None
    assert await listed(tess, exam)

    await feed.publish(
        OrderChanged(**{name: value for name, value in order if name != "replaces"}, changed=("procedure",))
    )
    await known(Exam(), feed, log, packer)
    assert await is_at(tess, exam) == (None, "person")
    assert await listed(tess, exam)

    assert (await tess.post(f"/studies/{exam.study_uid}/undo", json=WHY)).json()["matched_by"] == "study_uid"
    assert not await listed(tess, exam)
    assert [fact.body["act"] for fact in await facts_of(log, exam, "study.relinked.v1", 2)] == ["unlink", "undo"]


async def test_what_cannot_be_done_is_said_and_changes_nothing(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    await available(exam, feed, log, packer)
    wishes = [
        (exam.study_uid, "link", {"order_id": str(uuid4()), **WHY}, 404),
        ("1.2.3", "unlink", WHY, 404),
        ("1.2.3", "undo", WHY, 404),
        (exam.study_uid, "unlink", WHY, 409),
        (exam.study_uid, "undo", WHY, 409),
        (exam.study_uid, "undo", {"reason": " "}, 422),
    ]
    for uid, act, wish, status in wishes:
        answer = await tess.post(f"/studies/{uid}/{act}", json=wish)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), act
    nobody = await tess.post(f"/studies/{exam.study_uid}/unlink", json=WHY, headers={"X-FJ-User": ""})
    assert nobody.status_code == 401
    assert (await tess.get(f"/studies/{exam.study_uid}/links")).json() == []

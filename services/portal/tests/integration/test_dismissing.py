"""Entries that a person dismisses and puts back, and what rooms give up: by the doors and the events."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fj_events import (
    DeliveryAbandoned,
    DeliveryKind,
    Fact,
    LetterDropped,
    PatientPhi,
    PatientRegistered,
    Source,
    WorkGivenUp,
    WorkKind,
    WorkSettled,
    WorkSettledAs,
)
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

from services.portal.tests.integration.test_exceptions import an_order, cancelled, conflicted, listed, unmatched, until

pytestmark = pytest.mark.servers
TESS = {"X-FJ-User": "tess"}


@pytest.fixture(scope="module")
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
async def http(portal: ServiceProcess) -> Any:
    async with httpx.AsyncClient(base_url=portal.http, timeout=20) as client:
        yield client


def unknown() -> PatientRegistered:
    return PatientRegistered(
        site="MAIN", patient_id=uuid4(), provisional=True, source=Source.DIMSE, patient=PatientPhi(family_name="Okafor")
    )


async def acts(http: httpx.AsyncClient, words: str) -> list[tuple[str, str]]:
    """Who did what, of what these words are in, the newest first."""
    done = (await http.get("/api/portal/acts")).json()
    return [(act["actor"], act["summary"]) for act in done if words in act["summary"]]


async def does(http: httpx.AsyncClient, event_id: str, act: str, reason: str) -> int:
    answer = await http.post(f"/api/portal/exceptions/{event_id}/{act}", json={"reason": reason}, headers=TESS)
    return answer.status_code


async def test_an_entry_is_dismissed_with_a_reason_and_put_back(http: httpx.AsyncClient, feed: Feed, log: Log) -> None:
    fact = unknown()
    key = str(fact.patient_id)
    await feed.publish(fact)
    await until(http, key, "unknown patient")
    event_id = (await listed(http, key))["unknown patient"]
    address = f"/api/portal/exceptions/{event_id}"
    because = {"reason": "a phantom"}
    assert (await http.post(f"{address}/dismiss", json=because)).status_code == 401
    assert (await http.post(f"{address}/dismiss", json={}, headers=TESS)).status_code == 422
    assert (await http.post(f"{address}/restore", json=because, headers=TESS)).status_code == 409
    assert await does(http, event_id, "dismiss", "a phantom") == 202
    await until(http, key)
    assert await listed(http, key, dismissed="true") == {"unknown patient": event_id}
    page = (await http.get("/exceptions", params={"show": "dismissed"})).text
    assert "Dismissed by tess: a phantom" in page
    page = (await http.get(f"/exceptions/{event_id}")).text
    assert f'data-post="{address}/restore"' in page
    assert f'data-post="{address}/dismiss"' not in page
    assert await does(http, event_id, "dismiss", "again") == 409

    assert await does(http, event_id, "restore", "it was a person") == 202
    await until(http, key, "unknown patient")
    assert f'data-post="{address}/dismiss"' in (await http.get(f"/exceptions/{event_id}")).text
    facts = await log.wait_for("exception-events", where=lambda one: one.key == event_id, count=2)
    said = [(one.type, one.body["actor"], one.body["reason"], one.body["about"]) for one in facts]
    assert said == [
        ("exception.dismissed.v1", "tess", "a phantom", [key]),
        ("exception.restored.v1", "tess", "it was a person", [key]),
    ]
    assert await acts(http, "a phantom") == [("tess", "unknown patient dismissed: a phantom")]


async def test_what_comes_again_is_a_new_entry(http: httpx.AsyncClient, feed: Feed) -> None:
    study = f"2.25.{uuid4().int}"
    await feed.publish(conflicted(study))
    await until(http, study, "UID conflict")
    first = (await listed(http, study))["UID conflict"]
    assert await does(http, first, "dismiss", "the same image") == 202
    await until(http, study)
    await feed.publish(conflicted(study))
    await until(http, study, "UID conflict")
    assert (await listed(http, study))["UID conflict"] != first


async def knows(http: httpx.AsyncClient, exam_id: str) -> bool:
    """Orders lie in different partitions: who wants one to be the later one waits for the first."""
    return (await http.get(f"/api/portal/exams/{exam_id}")).status_code == 200


async def test_orders_of_two_patients_under_one_number_are_dismissed_together(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    number = uuid4().hex[:12].upper()
    first, second, third = (an_order(number, uuid4(), name) for name in ("Lovett", "Oka", "Third"))
    await feed.publish(first)
    await eventually(lambda: knows(http, str(first.order_id)), within=30, what="the first order")
    await feed.publish(second)
    await until(http, str(second.order_id), "duplicate accession")
    event_id = (await listed(http, str(second.order_id)))["duplicate accession"]
    assert await does(http, event_id, "dismiss", "two hospitals, one list of numbers") == 202
    await until(http, str(second.order_id))
    await feed.publish(third)
    await until(http, str(third.order_id), "duplicate accession")
    await feed.publish(cancelled(third))
    await until(http, str(third.order_id))


async def test_what_its_owner_settles_is_not_dismissed_here(http: httpx.AsyncClient, feed: Feed) -> None:
    study = f"2.25.{uuid4().int}"
    await feed.publish(unmatched(study, "name"))
    await until(http, study, "unconfirmed study")
    event_id = (await listed(http, study))["unconfirmed study"]
    assert await does(http, event_id, "dismiss", "no") == 409
    assert await does(http, str(uuid4()), "dismiss", "no") == 404
    assert f"/api/portal/exceptions/{event_id}/dismiss" not in (await http.get(f"/exceptions/{event_id}")).text


def given_up(work_id: str, kind: WorkKind, about: str) -> WorkGivenUp:
    return WorkGivenUp(
        site="NORTH",
        work_id=work_id,
        room="storage",
        kind=kind,
        destination="ARCHIVE2",
        about=about,
        reason="cannot be reached",
        address=f"/api/storage/sends/{work_id}",
    )


async def test_what_a_room_gives_up_is_listed_until_somebody_says_what_is_to_become_of_it(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    work_id, study = f"storage.images.{uuid4().int}", f"2.25.{uuid4().int}"
    fact = given_up(work_id, WorkKind.IMAGES, study)
    await feed.publish(fact, fact)
    await until(http, work_id, "failed sending")
    entries = (await http.get("/exceptions", params={"kind": "failed sending"})).text
    assert all(words in entries for words in ("images for ARCHIVE2: cannot be reached", f'href="/exams/{study}"'))

    async def has_its_page() -> bool:
        event_id = (await listed(http, work_id))["failed sending"]  # of the newer fact, once that has come too
        page = (await http.get(f"/exceptions/{event_id}")).text
        deeds = [f'data-post="{fact.address}/{act}"' for act in ("repeat", "cancel")]
        return all(words in page for words in (*deeds, f'data-look-up="{fact.address}"'))

    await eventually(has_its_page, within=30)

    def settled(settled_as: WorkSettledAs) -> Fact:
        return WorkSettled(
            site="NORTH", actor="olga", work_id=work_id, room="storage", kind=WorkKind.IMAGES, settled_as=settled_as,
            reason=f"because {work_id}",
        )  # fmt: skip

    await feed.publish(settled(WorkSettledAs.REPEATED))
    await until(http, work_id)
    await feed.publish(fact)
    await until(http, work_id, "failed sending")
    await feed.publish(settled(WorkSettledAs.CANCELLED))
    await until(http, work_id)
    assert await acts(http, work_id) == [
        ("olga", f"images cancelled: because {work_id}"),
        ("olga", f"images repeated: because {work_id}"),
    ]


async def test_what_a_destination_would_not_hear_of_a_patient_is_about_no_exam(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    patient_id, work_id = uuid4(), f"ehr_sync.delivery.{uuid4()}"
    abandoned = DeliveryAbandoned(
        site="MAIN",
        delivery_id=uuid4(),
        exam_key=str(patient_id),
        patient_id=patient_id,
        destination="pacs",
        kind=DeliveryKind.PATIENTS,
        status="",
        message_type="ADT^A40",
        control_id="FJ1",
        attempts=3,
        reason="refused",
    )
    work = WorkGivenUp(
        site="MAIN",
        work_id=work_id,
        room="ehr_sync",
        kind=WorkKind.DELIVERY,
        destination="pacs",
        reason="ADT^A40, refused",
        address=f"/api/ehr_sync/deliveries/{abandoned.delivery_id}",
    )
    await feed.publish(abandoned, work)
    await until(http, work_id, "failed sending")
    assert (await http.get(f"/exams/{patient_id}")).status_code == 404


async def test_a_note_that_nobody_could_read_has_a_kind_of_its_own(http: httpx.AsyncClient, feed: Feed) -> None:
    work_id = f"storage.rejection_note.{uuid4().int}"
    await feed.publish(given_up(work_id, WorkKind.REJECTION_NOTE, "2.25.1"))
    await until(http, work_id, "unreadable rejection note")


async def test_what_a_person_did_with_a_dead_letter_is_shown(http: httpx.AsyncClient, feed: Feed) -> None:
    number = uuid4().int % 10**9
    dropped = LetterDropped(
        site="MAIN",
        actor="olaf",
        letter_id=f"storage.exam-events.3.{number}",
        room="storage",
        state="dead",
        event_topic="exam-events",
        event_type="exam.started.v1",
        sequence=number,
        reason="the exam was a test",
    )
    await feed.publish(dropped)
    words = f"exam.started.v1 #{number} of exam-events"

    async def shown() -> bool:
        return await acts(http, words) == [("olaf", f"given up at storage: {words}: the exam was a test")]

    await eventually(shown, within=20)
    assert words in (await http.get("/exceptions")).text

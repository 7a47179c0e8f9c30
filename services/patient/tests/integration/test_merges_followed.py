"""When every room has followed a merge, that is a fact too."""

import itertools
from uuid import UUID

import pytest
from fj_events import TOPICS, PatientFollowed, patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Feed, Log, Record

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
ROOMS = ("order", "scheduling", "storage", "reporting", "ehr_sync", "portal")


def key(number: str) -> UUID:
    return patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number)


def a_number() -> str:
    return f"F{next(NUMBERS):05d}"


def a_merge(prior: str, survivor: str, minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^A40|F{next(NUMBERS)}|P|2.5.1"
    pair = (f"PID|1||{survivor}^^^GENERAL||Example^Ada", f"MRG|{prior}^^^GENERAL")
    return "\r".join((header, f"EVN|A40|{at}", *pair)).encode()


async def follow(feed: Feed, merged: Record, *rooms: str) -> None:
    patient_id = UUID(merged.body["patient_id"])
    for room in rooms:
        fact = PatientFollowed(
            site="MAIN",
            follower=f"{room}.{patient_id}",
            room=room,
            patient_id=patient_id,
            survivor_id=UUID(merged.body["survivor_id"]),
        )
        await feed.publish(fact, causation_id=UUID(merged.headers["ce_id"]))


async def facts(log: Log, number: str, type_: str, count: int = 1) -> list[Record]:
    wanted = str(key(number))
    found = await log.wait_for(
        "patient-events", where=lambda record: record.key == wanted and record.type == type_, count=count
    )
    assert len(found) == count
    return found


def test_all_rooms_that_keep_a_patient_have_to_follow() -> None:
    assert set(TOPICS["follower-events"].producers) == set(ROOMS)


async def test_a_merge_is_complete_once_when_the_last_room_has_followed(adt: MllpClient, log: Log, feed: Feed) -> None:
    first, second, survivor = a_number(), a_number(), a_number()
    await adt.send(a_merge(first, survivor))
    await adt.send(a_merge(second, survivor))
    [merged] = await facts(log, first, "patient.merged.v1")
    [other] = await facts(log, second, "patient.merged.v1")
    await follow(feed, merged, *ROOMS[:-1])
    await follow(feed, other, *ROOMS)
    await facts(log, second, "patient.merge_completed.v1")
    with pytest.raises(AssertionError):
        await log.wait_for(
            "patient-events",
            where=lambda r: r.key == str(key(first)) and r.type == "patient.merge_completed.v1",
            within=0.5,
        )
    await follow(feed, merged, ROOMS[-1], ROOMS[0])
    [completed] = await facts(log, first, "patient.merge_completed.v1")
    assert completed.body["survivor_id"] == str(key(survivor))
    assert completed.body["rooms"] == sorted(ROOMS)


async def test_who_has_followed_a_fact_that_no_longer_holds_does_not_count(
    adt: MllpClient, log: Log, feed: Feed
) -> None:
    first, second, third = a_number(), a_number(), a_number()
    await adt.send(a_merge(first, second, minute=1))
    await adt.send(a_merge(second, third, minute=2))
    old, new = await facts(log, first, "patient.merged.v1", count=2)
    await follow(feed, old, *ROOMS)
    await follow(feed, new, *ROOMS)
    [completed] = await facts(log, first, "patient.merge_completed.v1")
    assert completed.body["survivor_id"] == str(key(third))

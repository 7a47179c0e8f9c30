"""When every room that answers for persons has followed a link or its end, that is a fact too."""

import itertools
from uuid import UUID

import pytest
from fj_events import PatientLinkFollowed, patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Feed, Log, Record
from patient_service.domain.following import LINK_ROOMS

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
ROOMS = sorted(LINK_ROOMS)
LINKS = {"patient.linked.v1", "patient.unlinked.v1"}


def a_pair() -> tuple[str, str]:
    """Two numbers, that of the smaller id first: it is the person's."""
    one, other = sorted((f"K{next(NUMBERS):05d}", f"K{next(NUMBERS):05d}"), key=key)
    return one, other


def key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))


def a_word(trigger: str, one: str, other: str, minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|K{next(NUMBERS)}|P|2.5.1"
    pids = (f"PID|{n}||{number}^^^GENERAL||Example^Ada" for n, number in enumerate((one, other), 1))
    return "\r".join((header, f"EVN|{trigger}|{at}", *pids)).encode()


async def follow(feed: Feed, joined: Record, *rooms: str) -> None:
    for room in rooms:
        fact = PatientLinkFollowed(
            site="MAIN",
            follower=f"{room}.{joined.key}",
            room=room,
            patient_id=UUID(joined.key),
            enterprise_id=UUID(joined.body["enterprise_id"]),
        )
        await feed.publish(fact, causation_id=UUID(joined.headers["ce_id"]))


async def links(log: Log, number: str, count: int = 1) -> list[Record]:
    return await log.wait_for(
        "patient-events", where=lambda record: record.key == key(number) and record.type in LINKS, count=count
    )


async def completions(log: Log, number: str) -> list[Record]:
    return await log.wait_for(
        "patient-events",
        where=lambda record: record.key == key(number) and record.type == "patient.link_completed.v1",
    )


async def test_a_link_of_each_number_and_its_end_are_complete_once_when_the_last_room_has_followed(
    adt: MllpClient, log: Log, feed: Feed
) -> None:
    one, other = a_pair()
    await adt.send(a_word("A24", one, other))
    [linked], [other_linked] = await links(log, one), await links(log, other)
    await follow(feed, linked, *ROOMS[:-1], ROOMS[0])
    await follow(feed, other_linked, *ROOMS)
    [completed] = await completions(log, other)
    assert (completed.body["enterprise_id"], completed.body["rooms"]) == (key(one), ROOMS)
    with pytest.raises(AssertionError):
        await log.wait_for(
            "patient-events",
            where=lambda r: r.key == key(one) and r.type == "patient.link_completed.v1",
            within=0.5,
        )
    await follow(feed, linked, ROOMS[-1], ROOMS[-1])
    assert [fact.body["enterprise_id"] for fact in await completions(log, one)] == [key(one)]

    await adt.send(a_word("A37", other, one, minute=1))
    _, unlinked = await links(log, other, count=2)
    await follow(feed, unlinked, *reversed(ROOMS))
    ended = await log.wait_for(
        "patient-events",
        where=lambda r: r.key == key(other) and r.type == "patient.link_completed.v1",
        count=2,
    )
    assert [fact.body["enterprise_id"] for fact in ended] == [key(one), key(other)]


async def test_who_has_followed_a_link_that_no_longer_holds_does_not_count(
    adt: MllpClient, log: Log, feed: Feed
) -> None:
    one, other = a_pair()
    await adt.send(a_word("A24", one, other, minute=1))
    await adt.send(a_word("A37", one, other, minute=2))
    linked, unlinked = await links(log, other, count=2)
    await follow(feed, linked, *ROOMS)
    await follow(feed, unlinked, *ROOMS)
    [completed] = await completions(log, other)
    assert completed.body["enterprise_id"] == key(other)


@pytest.mark.parametrize("first", ["A24", "A37"])
async def test_a_link_and_its_end_that_come_in_either_order_are_complete_as_the_newer_one_says(
    adt: MllpClient, log: Log, feed: Feed, first: str
) -> None:
    one, other = a_pair()
    words = {"A24": a_word("A24", one, other, minute=1), "A37": a_word("A37", one, other, minute=2)}
    for trigger in (first, "A37" if first == "A24" else "A24", first):
        await adt.send(words[trigger])
    again = a_word("A24", one, other, minute=3)
    await adt.send(again)
    said = await links(log, other, count=3 if first == "A24" else 1)
    await follow(feed, said[-1], *ROOMS)
    [completed] = await completions(log, other)
    assert (said[-1].type, completed.body["enterprise_id"]) == ("patient.linked.v1", key(one))

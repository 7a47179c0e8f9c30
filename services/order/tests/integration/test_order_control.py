"""Hold, release and replace through the doors, and how a refusal names its order in the reply."""

import asyncio
import itertools
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import Evidence, ExamCancelRefused, ExamStarted
from fj_events import Refused as Refusable
from fj_hl7 import Message, MllpClient
from fj_hl7.conformance import problems
from fj_testing import Feed, Log, ServiceProcess, eventually

from services.order.tests.placer import a_number, facts, orm, refusal

pytestmark = pytest.mark.servers


def replacement(old: str, new: str, control: str = "RP") -> bytes:
    """One message: this order, and the one that is wanted instead."""
    header, patient, *_ = orm(old).split(b"\r")
    request = [f"ORC|RO|{new}^EHR|A{new}^MAIN", f"OBR|1|{new}^EHR||CTHEAD^CT head^L"]
    return b"\r".join((header, patient, f"ORC|{control}|{old}^EHR".encode(), *(line.encode() for line in request)))


async def answer(port: int, raw: bytes) -> Message:
    """The whole answer to a message."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x0b" + raw + b"\x1c\r")
    read = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 5)
    writer.close()
    return Message.parse(read.strip(b"\x0b\x1c\r"))


async def started(feed: Feed, key: str) -> dict[str, Any]:
    """The exam of the order begins."""
    exam: dict[str, Any] = {"site": "MAIN", "exam_key": key, "order_id": key}
    await feed.publish(ExamStarted(**exam, study_instance_uid="1.2", evidence=Evidence.MPPS))
    return exam


async def state_is(http: httpx.AsyncClient, key: str, state: str) -> None:
    async def reads() -> bool:
        return bool((await http.get(f"/api/order/orders/{key}")).json()["state"] == state)

    await eventually(reads)


async def test_an_order_is_held_and_released_once_however_often_it_is_said(placer: MllpClient, log: Log) -> None:
    number = a_number()
    await placer.send(orm(number))
    for control in ("RL", "HD", "HD", "RL", "RL"):
        assert (await placer.send(orm(number, control=control))).code == "AA"
    records = await facts(log, number, "order.placed.v1", "order.held.v1", "order.released.v1")
    assert records[1].body["placer_order_number"] == {"value": number, "issuer": "EHR"}


async def test_a_held_order_can_be_changed_and_cancelled(placer: MllpClient, log: Log) -> None:
    number = a_number()
    for control, code in (("NW", "CTCHEST"), ("HD", "CTCHEST"), ("XO", "CTHEAD"), ("CA", "CTHEAD")):
        await placer.send(orm(number, control=control, code=code))
    await facts(log, number, "order.placed.v1", "order.held.v1", "order.changed.v1", "order.cancelled.v1")
    assert (await refusal(placer, orm(number, control="RL"))).code == "AE"


async def test_an_exam_that_starts_overrules_the_hold(
    placer: MllpClient, http: httpx.AsyncClient, log: Log, feed: Feed
) -> None:
    number = a_number()
    await placer.send(orm(number))
    await placer.send(orm(number, control="HD"))
    placed, _ = await facts(log, number, "order.placed.v1", "order.held.v1")
    await started(feed, placed.key)
    await facts(log, number, "order.placed.v1", "order.held.v1", "order.released.v1")
    await state_is(http, placed.key, "IN_PROGRESS")


async def test_a_hold_that_crosses_with_the_start_is_refused_by_the_exam(
    placer: MllpClient, http: httpx.AsyncClient, log: Log, feed: Feed
) -> None:
    number = a_number()
    await placer.send(orm(number))
    await placer.send(orm(number, control="HD"))
    placed, held = await facts(log, number, "order.placed.v1", "order.held.v1")
    exam: dict[str, Any] = {"site": "MAIN", "exam_key": placed.key, "order_id": placed.key}
    await feed.publish(
        ExamCancelRefused(**exam, refused=Refusable.HOLD, state="STARTED"), causation_id=UUID(held.headers["ce_id"])
    )
    *_, told = await facts(log, number, "order.placed.v1", "order.held.v1", "order.reinstated.v1")
    assert told.body["refused"] == "hold"
    await state_is(http, placed.key, "IN_PROGRESS")


UNABLE = {"NW": "UA", "XO": "UX", "CA": "UC", "DC": "UD", "HD": "UH", "RP": "UM"}
REPLIES = {"ORM^O01^ORM_O01": "ORR^O02", "OMG^O19^OMG_O19": "ORG^O20", "OMI^O23^OMI_O23": "ORI^O24"}


async def test_a_started_exam_wins_and_the_reply_says_so_of_the_order(
    placer: MllpClient, http: httpx.AsyncClient, mllp_port: int, log: Log, feed: Feed
) -> None:
    number = a_number()
    await placer.send(orm(number))
    [placed] = await facts(log, number, "order.placed.v1")
    await started(feed, placed.key)
    await state_is(http, placed.key, "IN_PROGRESS")
    for (control, unable), (kind, reply) in itertools.product(UNABLE.items(), REPLIES.items()):
        raw = replacement(number, a_number()) if control == "RP" else orm(number, control=control, code="CTHEAD")
        told = await answer(mllp_port, raw.replace(b"ORM^O01^ORM_O01", kind.encode()))
        assert (told.kind, told["MSA"].get(1)) == (reply, "AE")
        assert (told["ERR"].get(2), told["ERR"].get(3)) == ("ORC", "207")
        assert (told["ORC"].get(1), told["ORC"].get(2)) == (unable, number)
    assert (await placer.send(orm(number, control="RL"))).code == "AA"
    await facts(log, number, "order.placed.v1")


@pytest.mark.parametrize("control", ["RP", "RU"])
async def test_a_replaced_order_is_cancelled_and_each_names_the_other(
    placer: MllpClient, log: Log, control: str
) -> None:
    old, new = a_number(), a_number()
    await placer.send(orm(old))
    assert (await placer.send(replacement(old, new, control))).code == "AA"
    placed, cancelled = await facts(log, old, "order.placed.v1", "order.cancelled.v1")
    [instead] = await facts(log, new, "order.placed.v1")
    assert instead.body["replaces"] == placed.key
    assert cancelled.body["replaced_by"] == instead.key
    assert (await refusal(placer, replacement(old, a_number()))).errors[0].code == "207"


async def test_a_replacement_under_the_same_number_is_a_change(placer: MllpClient, log: Log) -> None:
    number = a_number()
    await placer.send(orm(number))
    await placer.send(replacement(number, number))
    await facts(log, number, "order.placed.v1", "order.changed.v1")


async def test_a_replacement_that_is_no_new_order_or_stands_alone_is_refused_and_leaves_nothing(
    placer: MllpClient, log: Log
) -> None:
    old, taken = a_number(), a_number()
    await placer.send(orm(old))
    await placer.send(orm(taken))
    assert (await refusal(placer, replacement(old, taken))).errors[0].code == "205"
    assert (await refusal(placer, orm(old, control="RP"))).errors[0].code == "100"
    assert (await refusal(placer, orm(old, control="RO"))).errors[0].code == "100"
    await facts(log, old, "order.placed.v1")
    await facts(log, taken, "order.placed.v1")


async def test_a_person_holds_and_releases_an_order(
    placer: MllpClient, http: httpx.AsyncClient, order: ServiceProcess, log: Log
) -> None:
    number = a_number()
    await placer.send(orm(number))
    [placed] = await facts(log, number, "order.placed.v1")
    address = f"/api/order/orders/{placed.key}"
    held = await http.post(f"{address}/hold", json={"reason": "creatinine"})
    assert (held.status_code, held.json()["state"]) == (200, "HELD")
    assert (await http.post(f"{address}/release", json={})).json()["state"] == "ORDERED"
    _, fact, _ = await facts(log, number, "order.placed.v1", "order.held.v1", "order.released.v1")
    assert (fact.body["actor"], fact.body["reason"]) == ("tess", "creatinine")
    await http.post(f"{address}/cancel", json={})
    assert (await http.post(f"{address}/hold", json={})).status_code == 409


async def test_a_service_request_is_put_on_hold_and_made_active_again(http: httpx.AsyncClient, log: Log) -> None:
    number = a_number()
    body = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, "value": f"A{number}"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2"}], "text": "CT chest"},
        "subject": {"identifier": {"system": "urn:filmjacket:issuer:GENERAL", "value": "P7"}},
    }
    placed = (await http.post("/fhir/ServiceRequest", json=body)).json()
    for status in ("on-hold", "active"):
        updated = await http.put(f"/fhir/ServiceRequest/{placed['id']}", json=body | {"status": status})
        assert (updated.status_code, updated.json()["status"]) == (200, status)
    await facts(log, number, "order.placed.v1", "order.held.v1", "order.released.v1")


async def test_a_sender_in_enhanced_mode_is_told_of_the_commit_and_then_of_the_order(
    order: ServiceProcess, mllp_port: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mllp_port)
    for control, codes in (("NW", ["CA", "AA"]), ("ZZ", ["CA", "AE"])):
        writer.write(b"\x0b" + orm(a_number(), control=control).replace(b"|P|2.5.1", b"|P|2.5.1|||AL|AL") + b"\x1c\r")
        frames = [await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 5) for _ in codes]
        accept, reply = (Message.parse(frame.strip(b"\x0b\x1c\r")) for frame in frames)
        assert [accept["MSA"].get(1), reply["MSA"].get(1)] == codes
        assert (accept.code, reply.code) == ("ACK", "ORR")
    writer.close()


async def test_a_batch_file_is_taken_whole_or_not_at_all(order: ServiceProcess, mllp_port: int, log: Log) -> None:
    first, second = a_number(), a_number()
    batch = b"\r".join((b"FHS|^~\\&|EHR", b"BHS|^~\\&|EHR", orm(first), orm(second), b"BTS|2", b"FTS|1"))
    bad = batch.replace(b"ORC|NW|" + second.encode(), b"ORC|ZZ|" + second.encode())
    refused = await answer(mllp_port, bad)
    assert (refused["MSA"].get(1), refused["ERR"].get(3)) == ("AE", "103")
    assert (await answer(mllp_port, batch))["MSA"].get(1) == "AA"
    await facts(log, first, "order.placed.v1")
    await facts(log, second, "order.placed.v1")


DONE = {"NW": "OK", "XO": "XR", "HD": "HR", "RL": "OR", "CA": "CR"}


@pytest.mark.parametrize(("kind", "reply"), REPLIES.items())
async def test_the_reply_says_of_each_order_what_was_done(mllp_port: int, kind: str, reply: str) -> None:
    number = a_number()
    for control, done in DONE.items():
        raw = orm(number, control=control, code="CTHEAD" if control == "XO" else "CTCHEST")
        raw = raw.replace(b"ORM^O01^ORM_O01", kind.encode()).replace(f"|A{number}^MAIN".encode(), b"|")
        if kind.startswith("OMI"):
            raw += f"\rIPC|A{number}|RP1|1.2.3|S1|CT".encode()
        told = await answer(mllp_port, raw)
        assert (told.kind, told["MSA"].get(1)) == (reply, "AA")
        [orc] = told.segments("ORC")
        assert (orc.get(1), orc.get(2), orc.get(2, 2)) == (done, number, "EHR")
        assert [segment.name for segment in told][-2:] == (["OBR", "IPC"] if reply == "ORI^O24" else ["MSA", "ORC"])
        if control == "NW":
            assert orc.get(3).startswith("FJ") or orc.get(3) == f"A{number}", "the accession number, made here or not"
        assert problems(told.raw) == []
        assert (await answer(mllp_port, raw)).raw == told.raw, "the same message gets the same answer"


async def test_what_was_done_as_requested_is_taken_once_and_places_no_order(placer: MllpClient, log: Log) -> None:
    known, unknown = a_number(), a_number()
    for control in ("NW", "HR", "HR", "OR", "CA", "CR", "CR"):
        assert (await placer.send(orm(known, control=control))).code == "AA"
    await facts(log, known, "order.placed.v1", "order.held.v1", "order.released.v1", "order.cancelled.v1")
    assert (await placer.send(orm(unknown, control="CR"))).code == "AA"
    await placer.send(orm(unknown))
    await facts(log, unknown, "order.placed.v1", "order.cancelled.v1")


async def test_a_message_with_two_orders_is_answered_for_both(mllp_port: int) -> None:
    first, second = a_number(), a_number()
    two = orm(first) + f"\rORC|NW|{second}^EHR\rOBR|2|{second}^EHR||CTHEAD^CT head^L".encode()
    told = await answer(mllp_port, two)
    assert [(orc.get(1), orc.get(2)) for orc in told.segments("ORC")] == [("OK", first), ("OK", second)]


async def test_of_what_waits_or_is_old_nothing_is_said_to_be_done(mllp_port: int) -> None:
    number = a_number()
    assert (await answer(mllp_port, orm(number, control="CA"))).segments("ORC") == []
    later = a_number()
    await answer(mllp_port, orm(later, said_at="20260302100000"))
    told = await answer(mllp_port, orm(later, control="CA", said_at="20260302090000"))
    assert (told["MSA"].get(1), told.segments("ORC")) == ("AA", [])

"""From facts on a real Kafka to an EHR's listener, whatever it does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fj_events import DeliveryKind, Fact, Refused
from fj_hl7.conformance import problems
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.hearing import SOON_AGAIN, deliveries, told
from services.ehr_sync.tests.listener import ACCEPT, HANG_UP, REFUSE, REJECT, SILENCE, Listener, Received

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def ports(free_port: Callable[[], int]) -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def service(services: Services, ports: tuple[int, int]) -> ServiceProcess:
    ehr, registry = ports
    return services.start(
        "ehr_sync",
        EHR_SYNC_HL7_DESTINATIONS=f"ehr=127.0.0.1:{ehr},registry=127.0.0.1:{registry}/results",
        EHR_SYNC_ANSWER_SECONDS=1,
        EHR_SYNC_REFUSALS_MAX=3,
        EHR_SYNC_CONNECTIONS=2,
        **SOON_AGAIN,
    )


@pytest.fixture
async def ehr(ports: tuple[int, int]) -> AsyncIterator[Listener]:
    async with Listener(ports[0]).up() as listener:
        yield listener


@pytest.fixture(autouse=True)
async def registry(ports: tuple[int, int]) -> AsyncIterator[Listener]:
    async with Listener(ports[1]).up() as listener:
        yield listener


def an_exam() -> Exam:
    return Exam(f"{next(NUMBERS):04d}")


async def twice(facts: Feed, *said: Fact) -> None:
    for fact, envelope in zip(said, await facts.publish(*said), strict=True):
        await facts.repeat(fact, envelope)


async def test_the_life_of_an_order_reaches_the_ehr_in_order(facts: Feed, ehr: Listener, registry: Listener) -> None:
    exam = an_exam()
    await facts.publish(exam.registered(), exam.placed(), exam.started(), exam.performed())
    await told(ehr, exam, "ORM SC IP", "ORM SC CM")
    await facts.publish(exam.preliminary(), exam.finalized(), exam.amended())
    await told(ehr, exam, "ORM SC IP", "ORM SC CM", "ORU P", "ORU F", "ORU C")
    await told(registry, exam, "ORU P", "ORU F", "ORU C")
    for message in [*ehr.taken, *registry.taken]:
        assert problems(message.raw) == []
    final = ehr.taken[-2]
    assert final.field("PID", 3) == f"P{exam.number}"
    assert final.field("PID", 5) == "Beispiel"
    assert final.field("OBR", 2) == exam.placer
    assert final.field("OBR", 3) == exam.accession.value
    assert final.field("OBR", 22).startswith("20260302100200")
    assert "No nodule \\T\\ no effusion \\F\\ heart normal." in final.raw.decode()
    assert "Änderung" in final.raw.decode()
    assert exam.uid in final.raw.decode()


async def test_every_delivery_is_a_fact_that_names_its_message(
    facts: Feed, ehr: Listener, registry: Listener, log: Log
) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.finalized())
    delivered = await deliveries(log, exam, 2)
    assert {record.type for record in delivered} == {"delivery.delivered.v1"}
    by_name = {record.body["destination"]: record.body for record in delivered}
    assert by_name.keys() == {"ehr", "registry"}
    body = by_name["ehr"]
    [message] = [one for one in ehr.taken if one.placer == exam.placer]
    assert body["control_id"] == message.control_id
    assert (body["kind"], body["status"], body["message_type"]) == (DeliveryKind.RESULTS, "F", "ORU^R01")
    assert (body["report_id"], body["report_version"]) == (str(exam.report_id), 2)
    assert (body["order_id"], body["attempts"]) == (str(exam.order_id), 1)
    assert delivered[0].headers["ce_source"] == "/filmjacket/ehr_sync"


async def test_facts_that_stand_twice_on_the_log_are_told_once(facts: Feed, ehr: Listener, registry: Listener) -> None:
    exam = an_exam()
    await twice(facts, exam.placed(), exam.started(), exam.performed())
    await told(ehr, exam, "ORM SC IP", "ORM SC CM")
    await twice(facts, exam.finalized())
    await facts.publish(exam.amended())
    await told(ehr, exam, "ORM SC IP", "ORM SC CM", "ORU F", "ORU C")


async def test_what_comes_before_its_order_waits_for_it(facts: Feed, ehr: Listener, registry: Listener) -> None:
    exam, other = an_exam(), an_exam()
    await facts.publish(exam.registered(), exam.started(), exam.preliminary(), exam.finalized())
    await facts.publish(other.placed(), other.finalized())
    await told(ehr, other, "ORU F")
    assert ehr.told(exam.placer) == []
    await facts.publish(exam.placed())
    await eventually(lambda: len(ehr.told(exam.placer)) == 3)
    assert [said for said in ehr.told(exam.placer) if said.startswith("ORU")] == ["ORU P", "ORU F"]


async def test_a_report_in_the_orders_name_goes_after_what_was_told_in_the_studys(
    facts: Feed, ehr: Listener, registry: Listener
) -> None:
    exam = an_exam()
    alone = {"exam_key": exam.uid, "order_id": None, "placer_order_number": None}
    refused: list[str] = []

    def refuses_at_first(message: Received) -> str:
        if message.says == "ORU P" and not refused:
            refused.append(message.control_id)
            return REFUSE
        return ACCEPT

    ehr.manner = refuses_at_first
    await facts.publish(
        exam.registered(),
        exam.placed(),
        exam.preliminary().model_copy(update=alone),
        exam.finalized().model_copy(update=alone),
        exam.finalized(3).model_copy(update={"exam_key": exam.uid}),
    )
    await eventually(lambda: len(ehr.taken) == 3)
    assert [message.says for message in ehr.taken] == ["ORU P", "ORU F", "ORU F"]
    assert [message.placer for message in ehr.taken] == ["", "", exam.placer]


async def test_an_ehr_that_is_down_delays_only_its_own(
    facts: Feed, ports: tuple[int, int], registry: Listener, log: Log
) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.preliminary(), exam.finalized())
    await told(registry, exam, "ORU P", "ORU F")
    [delayed] = await deliveries(log, exam, 1, destination="ehr")
    assert delayed.type == "delivery.delayed.v1"
    assert delayed.body["reason"] == "no connection"
    async with Listener(ports[0]).up() as ehr:
        await told(ehr, exam, "ORU P", "ORU F")
        facts_of_ehr = await deliveries(log, exam, 3, destination="ehr")
    kinds = [(record.type, record.body["status"]) for record in facts_of_ehr]
    assert kinds == [
        ("delivery.delayed.v1", "P"),
        ("delivery.delivered.v1", "P"),
        ("delivery.delivered.v1", "F"),
    ]


async def test_a_message_that_hangs_holds_up_only_its_own_order(
    facts: Feed, ehr: Listener, registry: Listener, log: Log
) -> None:
    stuck, other = an_exam(), an_exam()
    ehr.manner = lambda message: SILENCE if message.placer == stuck.placer else ACCEPT
    await facts.publish(stuck.placed(), stuck.preliminary(), stuck.finalized())
    await eventually(lambda: any(message.placer == stuck.placer for message in ehr.seen))
    await facts.publish(other.placed(), other.finalized())
    await told(ehr, other, "ORU F", within=0.9)
    [delayed] = await deliveries(log, stuck, 1, destination="ehr")
    assert delayed.body["reason"] == "no answer"
    ehr.manner = lambda _: ACCEPT
    await told(ehr, stuck, "ORU P", "ORU F")
    attempts = [message for message in ehr.seen if message.placer == stuck.placer and message.says == "ORU P"]
    assert len({message.raw for message in attempts}) == 1, "a repeated message is the same to the byte"


async def test_a_listener_that_hangs_up_is_tried_again(facts: Feed, ehr: Listener, registry: Listener) -> None:
    exam = an_exam()
    ehr.manner = lambda _: HANG_UP if len(ehr.seen) < 3 else ACCEPT
    await facts.publish(exam.placed(), exam.finalized())
    await told(ehr, exam, "ORU F")


@pytest.mark.parametrize("answer", [REFUSE, REJECT])
async def test_what_is_refused_again_and_again_is_given_up_and_the_next_goes_on(
    answer: str, facts: Feed, ehr: Listener, log: Log, service: ServiceProcess
) -> None:
    exam = an_exam()
    ehr.manner = lambda message: answer if message.says == "ORU P" else ACCEPT
    await facts.publish(exam.placed(), exam.preliminary(), exam.finalized())
    await told(ehr, exam, "ORU F")
    found = await deliveries(log, exam, 3, destination="ehr")
    assert [record.type for record in found] == [
        "delivery.delayed.v1",
        "delivery.abandoned.v1",
        "delivery.delivered.v1",
    ]
    abandoned = found[1].body
    assert abandoned["attempts"] == 3
    assert abandoned["reason"] == f"answered {answer} (ERR-3 204)"
    assert "Beispiel" not in str(found), "the destination's words may name the patient"
    assert "Beispiel" not in service.log(500)
    assert len([message for message in ehr.seen if message.placer == exam.placer]) == 4


async def test_an_operator_sees_what_was_given_up_and_sends_it_again(
    facts: Feed, ehr: Listener, log: Log, service: ServiceProcess
) -> None:
    exam = an_exam()
    ehr.manner = lambda _: REFUSE
    await facts.publish(exam.placed(), exam.finalized())
    await deliveries(log, exam, 2, destination="ehr")
    async with httpx.AsyncClient(base_url=service.http) as http:
        query = {"exam": str(exam.order_id), "destination": "ehr", "state": "abandoned"}
        [found] = (await http.get("/api/ehr_sync/deliveries", params=query)).json()
        assert "Beispiel" in found["last_error"]
        address = f"/api/ehr_sync/deliveries/{found['delivery_id']}/repeat"
        assert (await http.post(address)).status_code == 401
        ehr.manner = lambda _: ACCEPT
        under = {"X-FJ-User": "tess", "Idempotency-Key": "mended"}
        again = await http.post(address, headers=under, json={"reason": "mended"})
        assert again.json()["state"] == "pending"
        await told(ehr, exam, "ORU F")
        delivered = (await deliveries(log, exam, 3, destination="ehr"))[-1]
        assert (delivered.type, delivered.body["actor"]) == ("delivery.delivered.v1", "tess")
        assert (await http.post(address, headers=under, json={"reason": "mended"})).json()["state"] == "delivered"
        assert len({message.raw for message in ehr.seen if message.placer == exam.placer}) == 1
    said = await work(log, found["delivery_id"], 2)
    assert (said[0]["destination"], said[0]["about"], said[0]["kind"]) == ("ehr", str(exam.order_id), "delivery")
    assert "Beispiel" not in said[0]["reason"]
    assert (said[1]["settled_as"], said[1]["reason"], said[1]["actor"]) == ("repeated", "mended", "tess")


async def work(log: Log, delivery_id: str, count: int) -> list[dict[str, Any]]:
    """What was said of a delivery that needs a person."""
    key = f"ehr_sync.delivery.{delivery_id}"
    return [fact.body for fact in await log.wait_for("operator-events", where=lambda one: one.key == key, count=count)]


async def test_nothing_is_to_be_done_about_what_a_person_dismisses(
    facts: Feed, ehr: Listener, log: Log, service: ServiceProcess
) -> None:
    exam = an_exam()
    ehr.manner = lambda _: REFUSE
    await facts.publish(exam.placed(), exam.finalized())
    await deliveries(log, exam, 2, destination="ehr")
    async with httpx.AsyncClient(base_url=service.http, headers={"X-FJ-User": "tess"}) as http:
        query = {"exam": str(exam.order_id), "destination": "ehr", "state": "abandoned"}
        [found] = (await http.get("/api/ehr_sync/deliveries", params=query)).json()
        address = f"/api/ehr_sync/deliveries/{found['delivery_id']}"
        dismissed = await http.post(f"{address}/cancel", json={"reason": "told by phone"})
        assert (dismissed.status_code, dismissed.json()["state"]) == (200, "dismissed")
        assert (await http.get(address)).json()["actor"] == "tess"
        assert (await http.post(f"{address}/cancel")).status_code == 409
        ehr.manner = lambda _: ACCEPT
    said = await work(log, found["delivery_id"], 2)
    assert (said[1]["settled_as"], said[1]["reason"], said[1]["actor"]) == ("cancelled", "told by phone", "tess")


async def test_an_older_version_is_not_sent_again_after_a_newer_one(
    facts: Feed, ehr: Listener, log: Log, service: ServiceProcess
) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.preliminary(), exam.finalized())
    await told(ehr, exam, "ORU P", "ORU F")
    await deliveries(log, exam, 2, destination="ehr")
    async with httpx.AsyncClient(base_url=service.http, headers={"X-FJ-User": "tess"}) as http:
        query = {"exam": str(exam.order_id), "destination": "ehr"}
        final, preliminary = (await http.get("/api/ehr_sync/deliveries", params=query)).json()
        refused = await http.post(f"/api/ehr_sync/deliveries/{preliminary['delivery_id']}/repeat")
        assert refused.status_code == 409
        assert "version 1" in refused.json()["detail"]
        assert (await http.post(f"/api/ehr_sync/deliveries/{final['delivery_id']}/repeat")).status_code == 200
        unknown = await http.post(f"/api/ehr_sync/deliveries/{exam.order_id}/repeat")
        assert unknown.status_code == 404
    await told(ehr, exam, "ORU P", "ORU F", "ORU F")


async def test_the_placer_is_told_what_could_not_be_done(facts: Feed, ehr: Listener) -> None:
    exam, cancelled, changed = an_exam(), an_exam(), an_exam()
    await facts.publish(exam.placed(), exam.started())
    await told(ehr, exam, "ORM SC IP")
    await facts.publish(exam.cancelled(), exam.reinstated())
    await told(ehr, exam, "ORM SC IP", "ORM UC IP")
    await facts.publish(cancelled.placed(), cancelled.cancelled(actor="tess"))
    await told(ehr, cancelled, "ORM OC CA")
    await facts.publish(changed.placed(), changed.reinstated(Refused.CHANGE), changed.discontinued())
    await eventually(lambda: len(ehr.told(changed.placer)) == 2)
    assert sorted(ehr.told(changed.placer)) == ["ORM SC DC", "ORM UX IP"]


@pytest.mark.parametrize("first", ["the new one", "the withdrawal"])
async def test_a_report_that_was_another_orders_goes_after_its_withdrawal(
    first: str, facts: Feed, ehr: Listener, registry: Listener
) -> None:
    wrong, right = an_exam(), an_exam()
    ehr.manner = lambda message: SILENCE if message.field("OBX", 11) == "W" else ACCEPT
    await facts.publish(wrong.placed(), right.placed(), wrong.finalized())
    await told(ehr, wrong, "ORU F")
    if first == "the withdrawal":
        await facts.publish(wrong.retracted())
    await facts.publish(right.moved_from(wrong))
    if first == "the new one":
        later = an_exam()
        await facts.publish(later.placed(), later.finalized())
        await told(registry, later, "ORU F")
        assert registry.told(right.placer) == [], "nobody knows of the withdrawal yet"
        await facts.publish(wrong.retracted())
    await told(registry, right, "ORU F")
    assert [message.placer for message in registry.taken if message.placer in {wrong.placer, right.placer}] == [
        wrong.placer,
        wrong.placer,
        right.placer,
    ]
    await eventually(lambda: len([one for one in ehr.seen if one.field("OBX", 11) == "W"]) > 1)
    assert ehr.told(right.placer) == [], "this one has not heard it yet"
    ehr.manner = lambda _: ACCEPT
    await told(ehr, right, "ORU F")
    assert ehr.told(wrong.placer) == ["ORU F", "ORU C"]


async def test_twenty_exams_at_once_are_not_crossed(facts: Feed, ehr: Listener) -> None:
    exams = [an_exam() for _ in range(20)]
    await facts.publish(*(exam.placed() for exam in exams), *(exam.preliminary() for exam in exams))
    await facts.publish(*(exam.finalized() for exam in exams))
    await eventually(lambda: all(len(ehr.told(exam.placer)) == 2 for exam in exams), within=20)
    for exam in exams:
        assert ehr.told(exam.placer) == ["ORU P", "ORU F"]
        mine = [message for message in ehr.taken if message.placer == exam.placer]
        assert {message.field("PID", 3) for message in mine} == {f"P{exam.number}"}
        assert {message.field("OBR", 18) for message in mine} == {exam.accession.value}


async def test_bad_requests_of_operators_are_answered_clearly(service: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=service.http) as http:
        answers = await asyncio.gather(
            http.get("/api/ehr_sync/deliveries?state=lost"),
            http.get("/api/ehr_sync/deliveries?limit=0"),
            http.post("/api/ehr_sync/deliveries/not-a-uuid/repeat", headers={"X-FJ-User": "tess"}),
        )
        assert [answer.status_code for answer in answers] == [422, 422, 422]
        assert "/api/ehr_sync/deliveries" in (await http.get("/api/ehr_sync/openapi.json")).json()["paths"]

"""What was taken, but understood wrongly, is read again when its sender's profile is mended: as a change, and once."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fj_hl7 import MllpClient
from fj_testing import Log, ServiceProcess, Services

from services.order.tests.integration.conftest import USER
from services.order.tests.placer import NUMBERS, a_number, refusal

pytestmark = pytest.mark.servers
WRONG = """
profiles:
  ODD:
    senders: [{application: ODD}]
    places: {accession_number: [OBR-20]}
"""
RIGHT = """
profiles:
  ODD:
    senders: [{application: ODD}]
    places: {accession_number: [OBR-18]}
    codes: {priority: {DRINGEND: S}}
"""
WHY = {"reason": "the accession number was taken from OBR-20"}


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profiles") / "odd.yaml"


@pytest.fixture(scope="module")
def order(services: Services, mllp_port: int, profile: Path) -> ServiceProcess:
    profile.write_text(WRONG)
    return services.start("order", ORDER_MLLP_PORT=mllp_port, FJ_HL7_PROFILES=str(profile.parent))


def start_with(text: str, order: ServiceProcess, profile: Path) -> None:
    profile.write_text(text)
    order.stop()
    order.start()


@pytest.fixture
async def http(order: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=order.http, headers=USER, timeout=30) as client:
        yield client


@pytest.fixture
async def misread(order: ServiceProcess, profile: Path, mllp_port: int) -> AsyncIterator[MllpClient]:
    """The sender, as long as its profile is wrong."""
    start_with(WRONG, order, profile)
    async with MllpClient("127.0.0.1", mllp_port) as client:
        yield client


@pytest.fixture
def mend(order: ServiceProcess, profile: Path, misread: MllpClient) -> Callable[[], Any]:
    """Gives the sender the right profile; until then it is `misread`."""

    async def mended() -> None:
        await misread.close()
        start_with(RIGHT, order, profile)

    return mended


def odd(number: str, control: str = "NW", *, code: str = "CTCHEST", said_at: str = "20260302091500") -> bytes:
    obr = ["OBR", "1", f"{number}^EHR", "", f"{code}^CT^L", *[""] * 13, f"A{number}^MAIN", "", f"B{number}^MAIN"]
    return "\r".join(
        (
            f"MSH|^~\\&|ODD|GENERAL|FJ|FJ|{said_at}||ORM^O01^ORM_O01|R{next(NUMBERS)}|P|2.5.1",
            f"PID|1||P{number}^^^GENERAL^MR||Example^Ada||19700401|F",
            f"ORC|{control}|{number}^EHR",
            "TQ1|1||||||||DRINGEND",
            "|".join(obr),
        )
    ).encode()


async def address_of(http: httpx.AsyncClient, raw: bytes) -> str:
    control_id = raw.split(b"|")[9].decode()
    [kept] = (await http.get("/api/order/messages", params={"control_id": control_id})).json()
    return str(kept["address"])


async def read_again(http: httpx.AsyncClient, raw: bytes) -> dict[str, Any]:
    answer = await http.post((await address_of(http, raw)).replace("?", "/reread?"), json=WHY)
    assert answer.status_code == 200, answer.text
    tried: dict[str, Any] = answer.json()
    return tried


async def the_order(http: httpx.AsyncClient, number: str) -> dict[str, Any]:
    [found] = (await http.get("/api/order/orders", params={"placer_order_number": number})).json()
    understood: dict[str, Any] = found
    return understood


async def told(log: Log, topic: str, key: str, *types: str) -> list[Any]:
    records = await log.wait_for(topic, where=lambda record: record.key == key, count=len(types))
    assert [record.type for record in records] == list(types)
    return records


async def test_an_order_that_was_misread_is_as_its_message_says_once_the_profile_is_mended(
    misread: MllpClient, mend: Callable[[], Any], http: httpx.AsyncClient, mllp_port: int, log: Log
) -> None:
    number = a_number()
    raw = odd(number)
    assert (await misread.send(raw)).code == "AA"
    before = await the_order(http, number)
    assert (before["accession_number"]["value"], before["priority"]) == (f"B{number}", "ROUTINE")

    await mend()
    for _ in range(2):
        tried = await read_again(http, raw)
        assert (tried["before"], tried["after"], tried["errors"]) == ("AA", "AA", [])
    after = await the_order(http, number)
    assert (after["accession_number"]["value"], after["priority"]) == (f"A{number}", "STAT")
    _, changed = await told(log, "order-events", before["order_id"], "order.placed.v1", "order.changed.v1")
    assert (changed.body["actor"], set(changed.body["changed"])) == ("tess", {"accession_number", "priority"})

    digest = tried["address"].split("/")[-1].partition("?")[0]
    first, _ = await told(log, "message-events", f"order.{digest}", *["message.reread.v1"] * 2)
    assert (first.body["actor"], first.body["reason"]) == ("tess", WHY["reason"])
    assert b"Example" not in first.value
    async with MllpClient("127.0.0.1", mllp_port) as again:
        assert (await again.send(raw)).code == "AA"
    assert await the_order(http, number) == after


@pytest.mark.parametrize("said_at", ["20260302091501", "20260302091500", ""], ids=["later", "same second", "no time"])
async def test_a_newer_change_is_not_undone_by_an_older_message_that_is_read_again(
    misread: MllpClient, mend: Callable[[], Any], http: httpx.AsyncClient, said_at: str
) -> None:
    number = a_number()
    placed, changed = odd(number), odd(number, "XO", code="CTHEAD", said_at=said_at)
    for raw in (placed, changed):
        await misread.send(raw)
    await mend()
    assert (await read_again(http, placed))["after"] == "AA"
    order = await the_order(http, number)
    assert (order["procedure"]["code"], order["accession_number"]["value"]) == ("CTHEAD", f"B{number}")
    await read_again(http, changed)
    order = await the_order(http, number)
    assert (order["procedure"]["code"], order["accession_number"]["value"]) == ("CTHEAD", f"A{number}")


async def test_what_a_person_changed_since_is_not_undone(
    misread: MllpClient, mend: Callable[[], Any], http: httpx.AsyncClient
) -> None:
    number = a_number()
    raw = odd(number)
    await misread.send(raw)
    body = {
        "patient": {"id": {"value": f"P{number}", "issuer": "GENERAL"}},
        "procedure": {"code": "CTFOOT"},
        "placer_order_number": {"value": number, "issuer": "EHR"},
    }
    assert (await http.post("/api/order/orders", json=body)).status_code == 201
    await mend()
    await read_again(http, raw)
    order = await the_order(http, number)
    assert (order["procedure"]["code"], order["accession_number"]["value"]) == ("CTFOOT", f"B{number}")


async def test_a_hold_that_came_later_stays_and_does_not_keep_the_order_from_being_put_right(
    misread: MllpClient, mend: Callable[[], Any], http: httpx.AsyncClient
) -> None:
    number = a_number()
    placed = odd(number)
    await misread.send(placed)
    await misread.send(odd(number, "HD", said_at="20260302100000"))
    await mend()
    await read_again(http, placed)
    order = await the_order(http, number)
    assert (order["state"], order["accession_number"]["value"]) == ("HELD", f"A{number}")


async def test_what_an_order_cannot_follow_any_more_is_said_and_changes_nothing(
    misread: MllpClient, mend: Callable[[], Any], http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    placed = odd(number)
    await misread.send(placed)
    await misread.send(odd(number, "CA", said_at="20260302100000"))
    before = await the_order(http, number)
    await mend()
    tried = await read_again(http, placed)
    assert (tried["after"], tried["errors"]) == ("AE", ["the order is CANCELLED: change is not possible"])
    assert await the_order(http, number) == before
    await told(log, "order-events", before["order_id"], "order.placed.v1", "order.cancelled.v1")
    refused = await http.get("/api/order/messages", params={"refused": True, "application": "ODD"})
    assert placed.split(b"|")[9].decode() not in refused.text


async def test_what_waits_for_its_order_is_done_as_it_was_read_last(
    misread: MllpClient, mend: Callable[[], Any], http: httpx.AsyncClient, mllp_port: int
) -> None:
    number = a_number()
    early = odd(number, "XO", code="CTHEAD")
    await misread.send(early)
    await mend()
    await read_again(http, early)
    async with MllpClient("127.0.0.1", mllp_port) as sender:
        await sender.send(odd(number))
    order = await the_order(http, number)
    assert (order["procedure"]["code"], order["accession_number"]["value"]) == ("CTHEAD", f"A{number}")


async def test_only_a_named_user_with_a_reason_reads_again_and_only_what_was_taken(
    misread: MllpClient, http: httpx.AsyncClient, order: ServiceProcess
) -> None:
    raw, refused = odd(a_number()), odd(a_number(), "ZZ")
    await misread.send(raw)
    where = (await address_of(http, raw)).replace("?", "/reread?")
    async with httpx.AsyncClient(base_url=order.http) as nameless:
        assert (await nameless.post(where, json=WHY)).status_code == 401
    assert (await http.post(where, json={})).status_code == 422
    assert (await http.post(f"/api/order/messages/{'0' * 64}/reread?control_id=X", json=WHY)).status_code == 404
    await refusal(misread, refused)
    where = (await address_of(http, refused)).replace("?", "/reread?")
    assert (await http.post(where, json=WHY)).status_code == 409

"""Orders of old and new versions of the standard: each puts priority and start where it has them."""

import pytest
from fj_hl7 import MllpClient
from fj_testing import Log

from services.order.tests.placer import NUMBERS, a_number, facts

pytestmark = pytest.mark.servers
START = "20260305120000"
TIMING = f"^ONCE^^{START}^^S"
WRITTEN = {
    "2.1": ("ORM", "ORC|NW|{0}|A{0}", "OBR|1|{0}||CTCHEST^CT chest^L|S|" + START),
    "2.2": ("ORM^O01", f"ORC|NW|{{0}}^EHR|A{{0}}||||{TIMING}", "OBR|1|{0}^EHR||CTCHEST^CT chest^L"),
    "2.3.1": ("ORM^O01", "ORC|NW|{0}^EHR", f"OBR|1|{{0}}^EHR||CTCHEST^CT chest^L{'|' * 14}A{{0}}{'|' * 9}{TIMING}"),
    "2.4": ("ORM^O01", f"ORC|NW|{{0}}^EHR|A{{0}}||||{TIMING}", "OBR|1|{0}^EHR||CTCHEST^CT chest^L"),
    "2.5": ("ORM^O01^ORM_O01", f"ORC|NW|{{0}}^EHR|A{{0}}\rTQ1|1||||||{START}||S", "OBR|1|{0}^EHR||CTCHEST^CT chest^L"),
    "2.5.1": ("ORM^O01^ORM_O01", f"ORC|NW|{{0}}^EHR|A{{0}}\rTQ1|1||||||{START}||S", "OBR|1|||CTCHEST^CT chest^L"),
}


@pytest.mark.parametrize("version", WRITTEN)
async def test_an_order_of_any_version_is_taken_and_answered_in_that_version(
    placer: MllpClient, log: Log, version: str
) -> None:
    number = a_number()
    kind, *order = WRITTEN[version]
    head = f"MSH|^~\\&|EHR|GENERAL|FJ|FJ|20260302091500||{kind}|V{next(NUMBERS)}|P|{version}"
    raw = "\r".join((head, f"PID|1||P{number}||Example^Ada||19700401|F", *order)).format(number).encode()
    ack = await placer.send(raw)
    assert (ack.code, [(orc.get(1), orc.get(2)) for orc in ack.orders]) == ("AA", [("OK", number)])
    [placed] = await facts(log, number, "order.placed.v1")
    assert (placed.body["priority"], placed.body["procedure"]["code"]) == ("STAT", "CTCHEST")
    assert placed.body["asked_for"] == "2026-03-05T12:00:00Z"
    assert placed.body["patient"]["id"] == {"value": f"P{number}", "issuer": "MAIN"}
    assert placed.body["placer_order_number"]["value"] == number

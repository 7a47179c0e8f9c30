"""Whatever comes to the running door for orders: it answers, lives on, and AA is for what is then there, once."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from fj_doors.explaining import explain
from fj_hl7 import AckCode, MllpClient, Profiles, read_ack
from fj_testing import Log, ServiceProcess, eventually
from fj_testing.mutating import MUTANTS, answers, send_mutants
from order_service.domain.control import REPLACEMENT

from services.order.tests.mutants import SEEDS, SUBJECT
from services.order.tests.placer import a_number, orm

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120 + MUTANTS)]
PLACES: Final = frozenset({"NW", REPLACEMENT})


@dataclass
class Sender:
    """Sends everything twice, and keeps by its placer order number what was taken."""

    port: int
    taken: dict[str, bool] = field(default_factory=dict)
    """Whether a message that was taken placed it."""

    def sends(self, _: str, raw: bytes) -> None:
        """Twice over one connection: the answer is the same, and never AA for what cannot be understood."""
        codes = {read_ack(answer).code for answer in answers(self.port, raw)}
        assert len(codes) == 1, "the same bytes have the same answer"
        (told,) = asyncio.run(explain(SUBJECT, raw, Profiles()))
        if codes != {AckCode.AA}:
            return
        assert told.answer.code == AckCode.AA, "what cannot be understood cannot be done"
        for lines in told.parts:
            said = {line.name: line.understood for line in lines}
            number = said["placer_order_number"]
            self.taken[number] = self.taken.get(number, False) or said["order_control"] in PLACES


async def test_whatever_comes_is_answered_and_what_is_taken_is_done_once(
    order: ServiceProcess, mllp_port: int, placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    sender = Sender(mllp_port)
    await asyncio.to_thread(send_mutants, SEEDS, b"PL", sender.sends)
    assert any(sender.taken.values()), "nothing that was sent was an order"
    last = a_number()
    assert (await placer.send(orm(last))).code == "AA"

    async def placed() -> bool:
        counts = Counter(
            _number(fact.body) for fact in await log.read("order-events") if fact.type == "order.placed.v1"
        )
        assert f"{last} of EHR" in counts
        wanted = {number for number, places in sender.taken.items() if places}
        assert set(counts) - {f"{last} of EHR"} == wanted
        assert set(counts.values()) == {1}
        return True

    await eventually(placed, within=20, every=0.5)
    early = {_number(entry) for entry in (await http.get("/api/order/early", params={"limit": 500})).json()}
    for number in (number for number, places in sender.taken.items() if not places):
        assert number in early, f"{number} was taken and is nowhere"
    assert (await http.get("/health/ready")).is_success
    assert "Traceback" not in order.log(2000)


def _number(body: dict[str, Any]) -> str:
    number = body["placer_order_number"]
    return f"{number['value']} of {number['issuer']}"

"""Whatever comes to the running door for orders: it answers, lives on, and AA is for what is then there, once."""

import asyncio
import itertools
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from fj_doors.explaining import explain
from fj_hl7 import AckCode, MllpClient, Profiles, read_ack
from fj_hl7.framing import END, frame
from fj_testing import Log, ServiceProcess, eventually
from fj_testing.mutating import mutated
from hypothesis import HealthCheck, Phase, assume, given, settings
from order_service.domain.control import REPLACEMENT

from services.order.tests.mutants import SEEDS, SUBJECT
from services.order.tests.placer import a_number, orm

EXAMPLES: Final = int(os.environ.get("FJ_TEST_MUTANTS", "150"))
pytestmark = [pytest.mark.servers, pytest.mark.timeout(120 + EXAMPLES)]
PLACES: Final = frozenset({"NW", REPLACEMENT})


@dataclass
class Sender:
    """Sends everything twice, and keeps by its placer order number what was taken."""

    port: int
    taken: dict[str, bool] = field(default_factory=dict)
    """Whether a message that was taken placed it."""
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def sends(self, raw: bytes) -> None:
        """Twice over one connection: the answer is the same, and never AA for what cannot be understood."""
        mine = f"{next(self.numbers):05d}".encode()
        raw = raw.replace(b"|C1|", b"|C" + mine + b"|").replace(b"PL", b"PL" + mine + b"-")
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            codes = [self._asks(connection, raw) for _ in range(2)]
        assert codes[0] == codes[1], "the same bytes have the same answer"
        (told,) = asyncio.run(explain(SUBJECT, raw, Profiles()))
        if codes[0] != AckCode.AA:
            return
        assert told.answer.code == AckCode.AA, "what cannot be understood cannot be done"
        for lines in told.parts:
            said = {line.name: line.understood for line in lines}
            number = said["placer_order_number"]
            self.taken[number] = self.taken.get(number, False) or said["order_control"] in PLACES

    @staticmethod
    def _asks(connection: socket.socket, raw: bytes) -> str:
        connection.sendall(frame(raw))
        answer = b""
        while not answer.endswith(END):
            more = connection.recv(65536)
            assert more, "the door hung up without an answer"
            answer += more
        return read_ack(answer[1 : -len(END)]).code


async def test_whatever_comes_is_answered_and_what_is_taken_is_done_once(
    order: ServiceProcess, mllp_port: int, placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    sender = Sender(mllp_port)
    await asyncio.to_thread(_all_of_them, sender)
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


def _all_of_them(sender: Sender) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(SEEDS))
    def send(raw: bytes) -> None:
        assume(END not in raw)
        sender.sends(raw)

    send()


def _number(body: dict[str, Any]) -> str:
    number = body["placer_order_number"]
    return f"{number['value']} of {number['issuer']}"

"""Whatever comes to the running door for appointments: it answers, lives on, and AA is for what is then there."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from fj_doors.explaining import explain
from fj_events import Identifier, OrderPlaced
from fj_hl7 import AckCode, MllpClient, Profiles, read_ack
from fj_testing import Feed, Log, ServiceProcess, eventually
from fj_testing.mutating import MUTANTS, answers, send_mutants
from scheduling_service.domain.news import Told

from services.scheduling.tests.builders import an_order
from services.scheduling.tests.mutants import OWN, SEEDS, SUBJECT

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180 + MUTANTS)]


@dataclass
class Sender:
    """Sends everything twice, and keeps what was said of numbers that no other message has."""

    port: int
    ordered: dict[Identifier, dict[str, Any]] = field(default_factory=dict)
    """By the placer order number, else by the accession number."""
    unordered: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the appointment's number, where no order is named."""
    refused: list[Identifier] = field(default_factory=list)
    """Placer order numbers of which nothing was taken."""

    def sends(self, number: str, raw: bytes) -> None:
        """Twice over one connection: the answer is the same, and never AA for what cannot be understood."""
        codes = {read_ack(answer).code for answer in answers(self.port, raw)}
        assert len(codes) == 1, "the same bytes have the same answer"
        (told,) = asyncio.run(explain(SUBJECT, raw, Profiles()))
        if codes != {AckCode.AA}:
            self.refused.append(Identifier(value=f"{OWN.decode()}{number}-L1", issuer="EHR"))
            return
        assert told.answer.code == AckCode.AA, "what cannot be understood cannot be done"
        assert told.message is not None
        (said,) = map(dict[str, Any], SUBJECT.understand(told.message))
        name = said["appointment_placer_number"] or said["appointment_filler_number"]
        if not all(map(_is_own, said["appointment"])):
            return
        if name is None:
            self.unordered[said["appointment"][0].value] = said
        elif _is_own(name):
            self.ordered[name] = said


async def test_whatever_comes_is_answered_and_what_is_taken_is_what_the_order_then_has(
    scheduling: ServiceProcess, mllp_port: int, feed: Feed, log: Log, http: httpx.AsyncClient
) -> None:
    sender = Sender(mllp_port)
    await asyncio.to_thread(send_mutants, SEEDS, OWN, sender.sends)
    assert any(said["appointment_start"] for said in sender.ordered.values()), (
        "nothing that was sent was an appointment"
    )
    async with MllpClient("127.0.0.1", mllp_port) as book:
        assert (await book.send(SEEDS[0].replace(OWN, b"LAST") + b"\r")).code == AckCode.AA

    listed = (await http.get("/api/scheduling/unordered", params={"limit": 500})).json()
    waiting = {entry["numbers"][0]: (entry["told"], entry["starts_at"]) for entry in listed}
    for number, said in sender.unordered.items():
        assert waiting[number] == (said["told"], _written(said["appointment_start"])), "taken, and nowhere"

    orders = {name: _order(name, said) for name, said in sender.ordered.items()}
    strangers = [an_order(placer_order_number=name) for name in sender.refused]
    await feed.publish(*orders.values(), *strangers)
    for name, order in orders.items():
        await eventually(partial(_has, http, log, order, sender.ordered[name]), within=20)
    for order in strangers:
        exam = await eventually(partial(_exam, http, order), within=20)
        assert (exam["state"], exam["steps"][0]["booked"]) == ("SCHEDULED", False), "what was refused was done"
    assert (await http.get("/health/ready")).is_success
    assert "Traceback" not in scheduling.log(2000)


def _is_own(number: Identifier) -> bool:
    return OWN.decode() in number.value


def _written(time: datetime | None) -> str | None:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if time else None


def _order(name: Identifier, said: dict[str, Any]) -> OrderPlaced:
    return an_order(**{"placer_order_number" if said["appointment_placer_number"] else "accession_number": name})


async def _exam(http: httpx.AsyncClient, order: OrderPlaced) -> Any:
    answer = await http.get(f"/api/scheduling/exams/{order.order_id}")
    return answer.json() if answer.is_success else None


async def _has(http: httpx.AsyncClient, log: Log, order: OrderPlaced, said: dict[str, Any]) -> bool:
    """The order has what was said of it; where it cannot have it, that is told."""
    exam = await _exam(http, order)
    if exam is None:
        return False
    (step,) = exam["steps"]
    told, start = said["told"], said["appointment_start"]
    if told is Told.MISSED:
        return bool(exam["state"] == "MISSED")
    if told is Told.GIVEN_UP or start is None:
        return bool(exam["state"] == "SCHEDULED" and not step["booked"])
    if step["booked"]:
        return bool(step["starts_at"] == _written(start))
    facts = await log.read("exam-events")
    return any(each.type == "exam.booking_refused.v1" and each.key == exam["exam_key"] for each in facts)

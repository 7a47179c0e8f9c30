"""Whatever comes to the running door for results: it answers, lives on, and AA is for what is then given out."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx
import pytest
from fj_doors.explaining import explain
from fj_events import ClinicalPhi, CodedConcept, Identifier, OrderPlaced, PatientPhi, Priority, Source
from fj_hl7 import AckCode, MllpClient, Profiles, read_ack
from fj_testing import Feed, Log, ServiceProcess, Services, eventually
from fj_testing.mutating import MUTANTS, answers, send_mutants

from services.reporting.tests.mutants import OWN, SEEDS, SUBJECT

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180 + MUTANTS)]


@dataclass
class Sender:
    """Sends everything twice, and keeps what was read of orders that no other message names."""

    port: int
    taken: dict[Identifier, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The texts by placer order number."""
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
        if told.message.is_part:
            return
        for said in SUBJECT.understand(told.message):
            name = said["placer_order_number"]
            if isinstance(name, Identifier) and OWN.decode() in name.value and not said["addendum_to"]:
                self.taken[name].add(str(said["text"]))


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def reporting(services: Services, mllp_port: int) -> ServiceProcess:
    return services.start("reporting", REPORTING_MLLP_PORT=mllp_port)


async def test_whatever_comes_is_answered_and_what_is_taken_is_given_out(
    reporting: ServiceProcess, mllp_port: int, feed: Feed, log: Log
) -> None:
    sender = Sender(mllp_port)
    await asyncio.to_thread(send_mutants, SEEDS, OWN, sender.sends)
    assert sender.taken, "nothing that was sent was a report"
    last = Identifier(value="LASTL1", issuer="EHR")
    async with MllpClient("127.0.0.1", mllp_port) as dictation:
        assert (await dictation.send(SEEDS[0].replace(OWN, b"LAST") + b"\r")).code == AckCode.AA
    orders = {order.order_id: order for order in map(_order, (*sender.refused, *sender.taken, last))}
    await feed.publish(*orders.values())

    async def given_out() -> bool:
        """Each order has what was taken of it, and no other words; of what was refused none has any."""
        texts = defaultdict[Identifier | None, set[str]](set)
        for fact in await log.read("report-events"):
            name = orders[UUID(fact.body["order_id"])].placer_order_number
            texts[name].add(" / ".join(filter(None, fact.body["content"]["text"].splitlines())))
        assert texts.keys() == {*sender.taken, last}
        return all(texts[name] <= read for name, read in sender.taken.items())

    await eventually(given_out, within=20, every=0.5)
    async with httpx.AsyncClient(base_url=reporting.http) as http:
        assert (await http.get("/health/ready")).is_success
    assert "Traceback" not in reporting.log(2000)


def _order(placer: Identifier) -> OrderPlaced:
    order_id = uuid4()
    return OrderPlaced(
        site="MAIN",
        order_id=order_id,
        patient_id=uuid4(),
        accession_number=Identifier(value=f"A{order_id.hex[:8]}", issuer="MAIN"),
        placer_order_number=placer,
        study_instance_uid=f"2.25.{order_id.int}",
        requested_procedure_id="RP1",
        procedure=CodedConcept(code="CTCHEST"),
        priority=Priority.ROUTINE,
        source=Source.HL7,
        patient=PatientPhi(),
        clinical=ClinicalPhi(),
    )

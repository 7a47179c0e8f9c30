"""An EHR: it registers patients, places orders, and listens for what comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, Self

from fj_hl7 import Ack, AckCode, Limits, Message, MllpClient, MllpServer, ack
from fj_hl7.builders import order_message, patient_message

from fj_simulators.doors import Doors
from fj_simulators.exam import Exam, a_header, a_visit

_PATIENT: Final = Limits(answer=600)
"""What it holds back it answers late, and does not refuse."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message that arrived at the EHR."""

    kind: str
    control_id: str
    placer_order_number: str
    status: str
    """ORC-5 of an order status, OBR-25 of a result."""
    raw: bytes
    at: float
    """When it was there, by this machine's monotonic clock in seconds."""

    @classmethod
    def read(cls, raw: bytes) -> Self:
        message = Message.parse(raw)
        orc, obr = message.segment("ORC"), message.segment("OBR")
        placer = (orc.get(2) if orc else "") or (obr.get(2) if obr else "")
        result = message.code == "ORU"
        status = (obr.get(25) if obr else "") if result else (orc.get(5) or orc.get(1) if orc else "")
        return cls(message.kind, message.control_id, placer, status, raw, time.monotonic())


class Ehr:
    """Sends to the doors, keeps what it is sent."""

    def __init__(self, doors: Doors) -> None:
        self.received: list[Received] = []
        self._unanswered: dict[str, asyncio.Event] = {}
        self._doors = doors
        self._patients = MllpClient(doors.host, doors.patients)
        self._orders = MllpClient(doors.host, doors.orders)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Listen for results and status messages."""
        server = MllpServer("ehr", self._doors.host, self._doors.ehr, self._take, limits=_PATIENT)
        stop = asyncio.Event()
        task = asyncio.create_task(server.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await task
            await self._patients.close()
            await self._orders.close()

    async def registers(self, exam: Exam, trigger: str = "A04") -> Ack:
        """ADT: tell who the patient is. Returns the acknowledgement; raises on a refusal."""
        return await self._patients.send(patient_message(a_header(), trigger, exam.patient, a_visit()))

    async def merges(self, prior: Exam, survivor: Exam) -> Ack:
        """ADT^A40: the number of the one exam's patient belongs to the other's patient now."""
        told = patient_message(a_header(), "A40", survivor.patient, a_visit())
        gone = f"\rMRG|{prior.patient_id}^^^{prior.issuer}^MR\rPV1|".encode()
        return await self._patients.send(told.replace(b"\rPV1|", gone, 1))

    async def orders(self, exam: Exam, control: str = "NW") -> Ack:
        """ORM^O01."""
        return await self.sends_order(order_message(a_header(), control, exam.patient, a_visit(), exam.order))

    async def sends_order(self, raw: bytes) -> Ack:
        """Any message to the door for orders."""
        return await self._orders.send(raw)

    async def sends_patient(self, raw: bytes) -> Ack:
        """Any message to the door for patients."""
        return await self._patients.send(raw)

    @contextmanager
    def holding_back(self, *exams: Exam) -> Iterator[None]:
        """It has the results of these exams when they come, and answers them when this is over."""
        over = asyncio.Event()
        held = {exam.placer_order_number: over for exam in exams}
        self._unanswered |= held
        try:
            yield
        finally:
            over.set()
            for number in held:
                del self._unanswered[number]

    def results(self, exam: Exam) -> list[Received]:
        """The ORU^R01 about this exam, in order of arrival."""
        return [got for got in self.received if got.kind == "ORU^R01" and self._is_about(got, exam)]

    def statuses(self, exam: Exam) -> list[Received]:
        """The ORM^O01 about this exam, in order of arrival."""
        return [got for got in self.received if got.kind == "ORM^O01" and self._is_about(got, exam)]

    async def _take(self, raw: bytes, _peer: str) -> bytes:
        got = Received.read(raw)
        self.received.append(got)
        if got.kind == "ORU^R01" and (over := self._unanswered.get(got.placer_order_number)):
            await over.wait()
        return ack(Message.parse(raw), AckCode.AA)

    @staticmethod
    def _is_about(got: Received, exam: Exam) -> bool:
        return got.placer_order_number == exam.placer_order_number

"""Whatever comes to the running door for patients: it answers, lives on, and AA is for what is then there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_doors.explaining import explain
from fj_events import Identifier, patient_key
from fj_hl7 import AckCode, MllpClient, Profiles, read_ack
from fj_testing import PATIENT_NAMESPACE, ServiceProcess
from fj_testing.mutating import MUTANTS, answers, send_mutants
from patient_service.entrypoints.mllp import MERGES, RENUMBERS

from services.patient.tests.mutants import HEAD, OWN, SEEDS, SUBJECT

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180 + MUTANTS)]


@dataclass
class Sender:
    """Sends everything twice, and keeps who was spoken of."""

    port: int
    sent: list[str] = field(default_factory=list)
    """What the numbers of each message begin with."""
    named: dict[Identifier, bytes] = field(default_factory=dict)
    """By what was taken."""
    merged: dict[Identifier, Identifier] = field(default_factory=dict)
    """The prior number with the one that it became, where the message says so once."""

    def sends(self, number: str, raw: bytes) -> None:
        """Twice over one connection: the answer is the same, and never AA for what cannot be understood."""
        self.sent.append(f"{OWN.decode()}{number}-")
        codes = {read_ack(answer).code for answer in answers(self.port, raw)}
        assert len(codes) == 1, "the same bytes have the same answer"
        (told,) = asyncio.run(explain(SUBJECT, raw, Profiles()))
        if codes != {AckCode.AA}:
            return
        assert told.answer.code == AckCode.AA, "what cannot be understood cannot be done"
        assert told.message is not None
        parts: list[Mapping[str, Any]] = list(SUBJECT.understand(told.message))
        for part in parts:
            visits_alone = told.message.kind in RENUMBERS or "patient_id" not in part
            names = ("patient_id", "other") if visits_alone else ("patient_id", "other", "prior")
            self.named |= {part[name]: raw for name in names if part.get(name)}
        if told.message.kind in MERGES:
            pairs = [(part["prior"], part["patient_id"]) for part in parts if "patient_id" in part]
            survivors = {survivor for _, survivor in pairs}
            self.merged.update(pair for pair in pairs if len(pairs) == 1 or pair[0] not in survivors)


async def test_whatever_comes_is_answered_and_what_is_taken_is_there(
    patient: ServiceProcess, mllp_port: int, adt: MllpClient
) -> None:
    sender = Sender(mllp_port)
    await asyncio.to_thread(send_mutants, SEEDS, OWN, sender.sends)
    assert sender.merged, "nothing that was sent was a merge"
    last = Identifier(value="LAST", issuer="HOSP")
    good = b"\r".join((HEAD % b"ADT^A04", b"EVN||20260302091400", b"PID|1||LAST^^^HOSP||Example^Ada")) + b"\r"
    assert (await adt.send(good)).code == AckCode.AA
    async with httpx.AsyncClient(base_url=patient.http) as http:
        for number, raw in {**sender.named, last: good}.items():
            assert await _patient(http, number), f"{number} was taken and is nowhere: {raw!r}"
        for prior in sender.merged:
            assert "survivor_id" in (await _patient(http, prior) or {}), f"{prior} was merged and is its own"
        unnamed = {Identifier(value=f"{own}P{nth}", issuer="HOSP") for own in sender.sent for nth in range(1, 6)}
        for number in unnamed - sender.named.keys():
            assert await _patient(http, number) is None, f"{number} is in nothing that was taken"
        assert (await http.get("/health/ready")).is_success
    assert "Traceback" not in patient.log(2000)


async def _patient(http: httpx.AsyncClient, number: Identifier) -> Mapping[str, Any] | None:
    """The patient of this very number."""
    key = patient_key(UUID(PATIENT_NAMESPACE), number.issuer, number.value)
    answer = await http.get(f"/api/patient/patients/{key}")
    assert answer.status_code in {httpx.codes.OK, httpx.codes.NOT_FOUND}
    return dict(answer.json()) if answer.is_success else None

"""The handlers on a real database, each call in a transaction of its own, and one exam as they hear of it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fj_bus import Bus, BusSettings
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Completeness,
    Identifier,
    MatchRule,
    OrderPlaced,
    PatientPhi,
    Priority,
    ReportPhi,
    Source,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
)
from reporting_service.adapters.postgres import PostgresReports
from reporting_service.domain.report import Reading, Status
from reporting_service.ports import Reports

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Numbers:
    """By which a reading names its exam."""

    accession: Identifier | None = None
    placer: Identifier | None = None
    study: str | None = None


class Exam:
    """An order whose images have a Study UID and an accession number of their own."""

    def __init__(self) -> None:
        self.order_id = uuid4()
        self.uid = f"2.25.{uuid4().int}"
        self.number = Identifier(value=self.uid[-12:], issuer="CT")
        self.accession = Identifier(value=f"A{self.uid[-12:]}", issuer="MAIN")
        self.placer = Identifier(value=f"PL{self.uid[-12:]}", issuer="EHR")

    def order(self) -> OrderPlaced:
        return OrderPlaced(
            site="MAIN",
            order_id=self.order_id,
            patient_id=uuid4(),
            accession_number=self.accession,
            placer_order_number=self.placer,
            study_instance_uid=f"2.25.{self.order_id.int}",
            requested_procedure_id="RP1",
            procedure=CodedConcept(code="CTCHEST"),
            priority=Priority.ROUTINE,
            source=Source.HL7,
            patient=PatientPhi(),
            clinical=ClinicalPhi(),
        )

    def received(self) -> StudyReceived:
        return StudyReceived(
            site="MAIN",
            study_instance_uid=self.uid,
            accession_number=self.number,
            modalities=("CT",),
            patient=PatientPhi(),
            received_at=NOW,
        )

    def matched(self) -> StudyMatched:
        return StudyMatched(
            site="MAIN",
            study_instance_uid=self.uid,
            order_id=self.order_id,
            patient_id=uuid4(),
            accession_number=self.accession,
            matched_by=MatchRule.PATIENT,
            reason="the only open CT order of this patient",
            ordered_study_instance_uid=f"2.25.{self.order_id.int}",
        )

    def available(self) -> StudyAvailable:
        return StudyAvailable.model_validate(
            {
                "site": "MAIN",
                "study_instance_uid": self.uid,
                "accession_number": self.number,
                "modalities": ["CT"],
                "patient": {},
                "series": [],
                "number_of_series": 1,
                "number_of_instances": 4,
                "completeness": Completeness.QUIET_TIME,
                "reason": "nothing came for a while",
                "last_evidence_at": NOW,
            }
        )

    def reading(self, status: Status, numbers: Numbers) -> Reading:
        return Reading(
            site="MAIN",
            status=status,
            content=ReportPhi(text="Clear."),
            at=NOW + timedelta(minutes=status is not Status.PRELIMINARY),
            source=Source.HL7,
            accession_numbers=(numbers.accession,) if numbers.accession else (),
            placer_order_number=numbers.placer,
            study_instance_uids=(numbers.study,) if numbers.study else (),
        )


class Room:
    """The handlers, each call in a transaction of its own."""

    def __init__(self, pool: "Pool") -> None:
        self.bus = Bus(pool, BusSettings(kafka="127.0.0.1:9"), "reporting")

    async def does(self, act: Callable[[Reports], Awaitable[None]]) -> None:
        async with self.bus.unit() as tx:
            await act(PostgresReports(tx))

    async def report_of(self, exam: Exam) -> str | None:
        """The key of the order's report."""
        query = "SELECT exam_key FROM reports WHERE order_id = $1"
        key: str | None = await self.bus.pool.fetchval(query, exam.order_id)
        return key

    async def given_out(self, exam: Exam) -> list[tuple[str, dict[str, Any]]]:
        """Type and body of each fact about the exam's report, in order."""
        query = "SELECT headers, body FROM bus.outbox WHERE key = ANY($1) ORDER BY id"
        rows = await self.bus.pool.fetch(query, [str(exam.order_id), exam.uid])
        return [(json.loads(row["headers"])["ce_type"], json.loads(row["body"])) for row in rows]

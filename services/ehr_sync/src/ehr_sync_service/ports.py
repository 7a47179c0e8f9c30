"""What the handlers need."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from fj_events import Fact

from ehr_sync_service.domain.correction import Result
from ehr_sync_service.domain.delivery import Delivery
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.records import OrderRecord, PatientRecord, ReportRecord, StudyRecord


class Projection(Protocol):
    """What is known, inside one transaction; rebuilt from the log at any time."""

    async def order(self, order_id: UUID) -> OrderRecord | None: ...
    async def study(self, study_instance_uid: str) -> StudyRecord | None: ...
    async def whom(self, patient_id: UUID, recorded_at: datetime) -> PatientRecord | None:
        """Who a record is of that names this patient and was made then."""

    async def plan(self, exam_key: str) -> PlanRecord | None: ...
    async def save_plan(self, plan: PlanRecord) -> None: ...
    async def save_patient(self, patient: PatientRecord) -> None: ...
    async def save_order(self, order: OrderRecord) -> None: ...
    async def save_study(self, study: StudyRecord) -> None: ...
    async def save_report(self, report: ReportRecord) -> None:
        """Keep a version of a report; an older one than is kept changes nothing."""


class Ledger(Protocol):
    """What was to be delivered and what became of it, inside one transaction; never rebuilt."""

    async def add(self, delivery: Delivery) -> None:
        """Write a delivery; one that is there already stays as it is."""

    async def take(self, delivery_id: UUID) -> Delivery | None:
        """A delivery, locked until the end of the transaction."""

    async def save(self, delivery: Delivery) -> None: ...

    async def results(self, order_id: UUID) -> list[Result]:
        """The deliveries of an order's reports as they were written, locked until the end of the transaction."""

    async def with_results(self, patient_id: UUID) -> list[UUID]:
        """The orders that name this patient and have reports to tell."""

    async def procedures(self, patient_id: UUID) -> list[Result]:
        """What was written of the plans of orders that name this patient, locked until the end of the transaction."""

    async def newest_delivered(self, destination: str, report_id: UUID) -> int | None:
        """The newest version of a report that a destination has taken."""

    async def take_lost(self, before: datetime, served: Collection[str]) -> list[Delivery]:
        """Pending deliveries written before a time that nobody can try.

        Their destination is not among those served, or what they are about is not known.
        """

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""

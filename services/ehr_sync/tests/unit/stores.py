"""The ports in memory, for handlers."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ehr_sync_service.domain.correction import Result
from ehr_sync_service.domain.delivery import Delivery, State
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.records import OrderRecord, PatientRecord, ReportRecord, StudyRecord
from fj_events import Fact


class MemoryProjection:
    """What is known, by key."""

    def __init__(self) -> None:
        self.patients: dict[UUID, PatientRecord] = {}
        self.orders: dict[UUID, OrderRecord] = {}
        self.studies: dict[str, StudyRecord] = {}
        self.reports: dict[UUID, ReportRecord] = {}
        self.plans: dict[str, PlanRecord] = {}

    async def whom(self, patient_id: UUID, recorded_at: datetime) -> PatientRecord | None:
        del recorded_at  # nobody is merged here
        return self.patients.get(patient_id)

    async def plan(self, exam_key: str) -> PlanRecord | None:
        return self.plans.get(exam_key)

    async def save_plan(self, plan: PlanRecord) -> None:
        self.plans[plan.exam_key] = plan

    async def order(self, order_id: UUID) -> OrderRecord | None:
        return self.orders.get(order_id)

    async def study(self, study_instance_uid: str) -> StudyRecord | None:
        return self.studies.get(study_instance_uid)

    async def save_patient(self, patient: PatientRecord) -> None:
        self.patients[patient.patient_id] = patient

    async def save_order(self, order: OrderRecord) -> None:
        self.orders[order.order_id] = order

    async def save_study(self, study: StudyRecord) -> None:
        self.studies[study.study_instance_uid] = study

    async def save_report(self, report: ReportRecord) -> None:
        known = self.reports.get(report.report_id)
        if known is None or known.version < report.version:
            self.reports[report.report_id] = report


class MemoryLedger:
    """Deliveries by id, and what was said."""

    def __init__(self) -> None:
        self.deliveries: dict[UUID, Delivery] = {}
        self.said: list[Fact] = []

    async def add(self, delivery: Delivery) -> None:
        self.deliveries.setdefault(delivery.delivery_id, delivery)

    async def take(self, delivery_id: UUID) -> Delivery | None:
        return self.deliveries.get(delivery_id)

    async def save(self, delivery: Delivery) -> None:
        self.deliveries[delivery.delivery_id] = delivery

    async def results(self, order_id: UUID) -> list[Result]:
        written = [one for one in self.deliveries.values() if one.order_id == order_id and one.report]
        return [Result(one, one.state is State.DELIVERED) for one in written]

    async def with_results(self, patient_id: UUID) -> list[UUID]:
        written = [one for one in self.deliveries.values() if one.report and one.order_id]
        return [one.order_id for one in written if one.order_id and getattr(one.fact, "patient_id", None) == patient_id]

    async def procedures(self, _patient_id: UUID) -> list[Result]:
        return []  # nobody is merged here

    async def newest_delivered(self, destination: str, report_id: UUID) -> int | None:
        versions = [
            one.report[1]
            for one in self.deliveries.values()
            if one.destination == destination
            and one.state is State.DELIVERED
            and one.report is not None
            and one.report[0] == report_id
        ]
        return max(versions, default=None)

    async def take_lost(self, before: datetime, served: Collection[str]) -> list[Delivery]:
        return [
            one
            for one in self.deliveries.values()
            if one.state is State.PENDING and one.written_at < before and one.destination not in served
        ]

    def emit(self, fact: Fact) -> None:
        self.said.append(fact)

"""An order whose images and report were another order's: it waits again, under a Study UID of its own."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    CodedConcept,
    DeliveryDelivered,
    DeliveryKind,
    Evidence,
    ExamPutBack,
    ExamStarted,
    Fact,
    Identifier,
    LinkAct,
    Priority,
    ReportFinalized,
    ReportPhi,
    ReportRetracted,
    Source,
    StudyRelinked,
)
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

pytestmark = pytest.mark.servers
ACCESSION = Identifier(value="A1", issuer="MAIN")


@pytest.fixture(scope="module")
def order(services: Services) -> ServiceProcess:
    return services.start("order", EHR_SYNC_HL7_DESTINATIONS="ehr=127.0.0.1:9")


class Story:
    """An order, and what is told of it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order_id = UUID(order["order_id"])
        self.uid: str = order["study_instance_uid"]

    def report(self, report_id: UUID, version: int) -> dict[str, Any]:
        return {
            "site": "MAIN",
            "report_id": report_id,
            "exam_key": str(self.order_id),
            "order_id": self.order_id,
            "version": version,
            "source": Source.HL7,
            "content": ReportPhi(),
        }

    def delivered(self, report_id: UUID, version: int) -> DeliveryDelivered:
        return DeliveryDelivered(
            site="MAIN",
            delivery_id=uuid4(),
            exam_key=str(self.order_id),
            order_id=self.order_id,
            destination="ehr",
            kind=DeliveryKind.RESULTS,
            status="F",
            message_type="ORU^R01",
            control_id="1",
            report_id=report_id,
            report_version=version,
            attempts=1,
        )

    def relinked(self) -> StudyRelinked:
        return StudyRelinked(
            site="MAIN",
            actor="tess",
            study_instance_uid=self.uid,
            previous_order_id=self.order_id,
            order_id=uuid4(),
            act=LinkAct.LINK,
            reason="the wrong line was picked",
        )

    def started(self) -> ExamStarted:
        return ExamStarted(
            site="MAIN",
            exam_key=str(self.order_id),
            order_id=self.order_id,
            study_instance_uid=self.uid,
            evidence=Evidence.MPPS,
        )

    def put_back(self) -> ExamPutBack:
        return ExamPutBack(
            site="MAIN",
            exam_key=str(self.order_id),
            order_id=self.order_id,
            accession_number=ACCESSION,
            study_instance_uid=self.uid,
            requested_procedure_id="R1",
            procedure=CodedConcept(code="CTCHEST"),
            priority=Priority.ROUTINE,
            steps=(),
            reason="its images are another order's",
            step_ids=(),
            state="SCHEDULED",
        )


async def test_an_order_waits_again_for_what_is_its_own(http: httpx.AsyncClient, feed: Feed, log: Log) -> None:
    patient = {"id": {"value": "P1", "issuer": "MAIN"}}
    placed = await http.post("/api/order/orders", json={"patient": patient, "procedure": {"code": "CTCHEST"}})
    story, wrong, own = Story(placed.json()), uuid4(), uuid4()

    async def told(kind: str, count: int = 1) -> dict[str, Any]:
        records = await log.wait_for("order-events", where=lambda r: r.type == kind, count=count)
        assert len(records) == count
        body: dict[str, Any] = records[-1].body
        return body

    await feed.publish(ReportFinalized(**story.report(wrong, 1)), story.delivered(wrong, 1))
    await told("order.completed.v1")
    lost: list[Fact] = [
        story.relinked(),
        ReportRetracted(**story.report(wrong, 2), reason="the wrong line was picked"),
        story.delivered(wrong, 2),
        story.put_back(),
    ]
    envelopes = await feed.publish(*lost)
    for fact, envelope in zip(lost, envelopes, strict=True):
        await feed.repeat(fact, envelope)
    await told("order.reopened.v1")
    changed = await told("order.changed.v1")
    assert (changed["changed"], changed["actor"]) == (["study_instance_uid"], "tess")
    assert changed["study_instance_uid"] != story.uid

    async def waits() -> bool:
        state: str = (await http.get(f"/api/order/orders/{story.order_id}")).json()["state"]
        return state == "ORDERED"

    await eventually(waits)
    await feed.publish(ReportFinalized(**story.report(own, 1)), story.delivered(own, 1))
    await told("order.completed.v1", 2)


async def test_a_report_that_is_on_its_way_does_not_complete_an_order_that_waits_again(
    http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    patient = {"id": {"value": "P2", "issuer": "MAIN"}}
    placed = await http.post("/api/order/orders", json={"patient": patient, "procedure": {"code": "CTCHEST"}})
    story, wrong, own = Story(placed.json()), uuid4(), uuid4()

    async def is_known(state: str) -> None:
        async def known() -> bool:
            return bool((await http.get(f"/api/order/orders/{story.order_id}")).json()["state"] == state)

        await eventually(known, what=state)

    await feed.publish(ReportFinalized(**story.report(wrong, 1)), story.started())
    await is_known("IN_PROGRESS")
    await feed.publish(story.put_back())
    await is_known("ORDERED")
    late = [story.delivered(wrong, 1), ReportRetracted(**story.report(wrong, 2), reason="the wrong line was picked")]
    await feed.publish(*late, story.started())
    await is_known("IN_PROGRESS")
    await feed.publish(ReportFinalized(**story.report(own, 1)), story.delivered(own, 1))
    await log.wait_for(
        "order-events", where=lambda r: r.type == "order.completed.v1" and r.body["report_id"] == str(own)
    )
    await is_known("COMPLETED")

"""When this happens, do that: one function per fact. What somebody asks for stands in `commands`."""

from uuid import UUID

from fj_events import (
    DeliveryDelivered,
    DeliveryKind,
    ExamCancelRefused,
    ExamPutBack,
    OrderCompleted,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    Refused,
    ReportAmended,
    ReportFinalized,
    ReportRetracted,
    StudyRelinked,
)

from order_service.domain import facts
from order_service.domain import order as domain
from order_service.domain.life import Act, Life
from order_service.domain.order import Order
from order_service.ports import Orders

Signed = ReportFinalized | ReportAmended
"""The facts that put a signed version on an order."""


async def on_exam_moved(order_id: UUID | None, act: Act, orders: Orders) -> None:
    """The exam of an order started, ended or was given up. Nobody waits for the release of one that was held."""
    known = await orders.by_id(order_id) if order_id else None
    if known is not None and (order := domain.happened(known, act)) != known:
        await orders.save(order)
        if known.life is Life.HELD:
            orders.emit(OrderReleased(**facts.paused(order, "the exam had started", None)))


async def on_exam_put_back(fact: ExamPutBack, orders: Orders) -> None:
    """What was done was another exam. An order of which another step has been performed stays where it is."""
    known = await orders.by_id(fact.order_id)
    if known is not None and fact.state == "SCHEDULED":
        await _undone(known, domain.put_back(known), "its images were another order's", orders)


async def on_study_relinked(fact: StudyRelinked, orders: Orders) -> None:
    """An order lost a study: where the images carry its own Study UID, its next ones must not be mixed with them."""
    if fact.previous_order_id is None or fact.previous_order_id == fact.order_id:
        return
    known = await orders.by_id(fact.previous_order_id)
    if known is not None and (order := domain.bereft(known, fact.study_instance_uid)) != known:
        await orders.save(order)
        orders.emit(facts.changed(order, domain.differences(known.details, order.details), fact.actor))


async def on_report_retracted(fact: ReportRetracted, orders: Orders) -> None:
    """The report was another order's."""
    known = await orders.by_id(fact.order_id) if fact.order_id else None
    if known is not None:
        await _undone(known, domain.retracted(known, fact.report_id), "its report was another order's", orders)


async def on_exam_cancel_refused(fact: ExamCancelRefused, refused_fact: UUID | None, orders: Orders) -> None:
    """The exam had started before the cancel, change or hold arrived: it wins, and the placer is told.

    `refused_fact` is the id of what it refused. The order ends with what the exam uses: the last details not refused.
    """
    known = await orders.by_id(fact.order_id)
    if known is None:
        return
    order = domain.reinstate(known, fact.state)
    if fact.refused == Refused.CHANGE:
        order = domain.without(order, refused_fact)
    await orders.save(order)
    if changed := domain.differences(known.details, order.details):
        orders.emit(facts.changed(order, changed, None))
    orders.emit(
        OrderReinstated(
            order_id=order.order_id,
            site=order.site,
            patient_id=order.details.patient_id,
            accession_number=order.details.accession_number,
            placer_order_number=order.details.placer_order_number,
            refused=fact.refused,
            reason=f"the exam is {fact.state}",
        )
    )


async def on_report_final(report: Signed, wanted_by: tuple[str, ...], orders: Orders) -> None:
    """A final version is there: the order completes when it is also everywhere that wants it."""
    known = await orders.by_id(report.order_id) if report.order_id else None
    if known is not None:
        await _complete(known, domain.reported(known, report.report_id, report.version), wanted_by, orders)


async def on_delivered(delivery: DeliveryDelivered, wanted_by: tuple[str, ...], orders: Orders) -> None:
    """A destination has a version of the report."""
    report_id, version = delivery.report_id, delivery.report_version
    if delivery.kind != DeliveryKind.RESULTS or delivery.order_id is None or report_id is None or version is None:
        return
    known = await orders.by_id(delivery.order_id)
    if known is not None:
        order = domain.delivered(known, report_id, delivery.destination, version)
        await _complete(known, order, wanted_by, orders)


async def _undone(known: Order, order: Order, reason: str, orders: Orders) -> None:
    if order != known:
        await orders.save(order)
    if known.life is Life.COMPLETED and order.life is not Life.COMPLETED:
        orders.emit(
            OrderReopened(
                order_id=order.order_id,
                site=order.site,
                patient_id=order.details.patient_id,
                accession_number=order.details.accession_number,
                reason=reason,
            )
        )


async def _complete(known: Order, order: Order, wanted_by: tuple[str, ...], orders: Orders) -> None:
    completes = known.life is not Life.COMPLETED and domain.is_delivered(order, wanted_by)
    if completes:
        order = domain.happened(order, Act.COMPLETE)
    if order != known:
        await orders.save(order)
    if completes and order.report_id is not None and order.report_version is not None:
        orders.emit(
            OrderCompleted(
                order_id=order.order_id,
                site=order.site,
                patient_id=order.details.patient_id,
                accession_number=order.details.accession_number,
                report_id=order.report_id,
                report_version=order.report_version,
                reason=f"delivered to {', '.join(wanted_by)}" if wanted_by else "final, and nobody wants results",
            )
        )

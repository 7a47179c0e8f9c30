"""When this happens, do that: one function per command or fact."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from fj_events import (
    DeliveryDelivered,
    DeliveryKind,
    ExamCancelRefused,
    ExamPutBack,
    Identifier,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    Refused,
    ReportAmended,
    ReportFinalized,
    ReportRelinked,
    ReportRetracted,
    StudyRelinked,
)

from order_service.domain import order as domain
from order_service.domain.errors import NoSuchOrder, NumberTaken
from order_service.domain.life import Act, Life
from order_service.domain.order import Order, Request
from order_service.ports import Orders

Signed = ReportFinalized | ReportAmended | ReportRelinked
"""The facts that put a signed version on an order."""


async def place_order(request: Request, orders: Orders, actor: str | None = None) -> Order:
    """Take a new order (NW). The same placer number again is the same order, changed where the message differs."""
    [order] = await place_orders([request], orders, actor)
    return order or await change_order(request.placer_order_number, request, orders, actor)


async def place_orders(
    requests: Sequence[Request], orders: Orders, actor: str | None = None, replaces: UUID | None = None
) -> list[Order | None]:
    """Take new orders, many at once. None stands for one whose placer number is known: at most a change of it."""
    placed = [domain.place(request, uuid4()) for request in requests]
    kept = await orders.add(placed)
    for order in placed:
        if order.order_id in kept:
            orders.emit(_placed(order, actor, replaces))
    return [order if order.order_id in kept else None for order in placed]


async def change_order(
    number: Identifier | UUID | None, request: Request, orders: Orders, actor: str | None = None
) -> Order:
    """Change an order before its exam starts (XO). Raises NoSuchOrder, NotPossible, OtherPatient."""
    known = await _known(number, orders)
    order = domain.change(known, request)
    if order is not known:
        fact_id = orders.emit(_changed(order, domain.differences(known.details, order.details), actor))
        order = domain.told(order, fact_id, known.details)
        await orders.save(order)
    return order


async def cancel_order(
    number: Identifier | UUID, reason: str | None, orders: Orders, actor: str | None = None
) -> Order:
    """Take an order back before its exam starts (CA, DC); twice is once. Raises NoSuchOrder, NotPossible."""
    known = await _known(number, orders)
    order = domain.act_on(known, Act.CANCEL)
    if order != known:
        await orders.save(order)
        orders.emit(_cancelled(order, reason, actor))
    return order


async def replace_order(
    number: Identifier, request: Request, reason: str | None, orders: Orders, actor: str | None = None
) -> Order:
    """Cancel an order and place another one instead of it (RP with RO). One with the same number is a change.

    Raises NoSuchOrder, NotPossible, NumberTaken.
    """
    if request.placer_order_number == number:
        return await change_order(number, request, orders, actor)
    known = await _known(number, orders)
    replaced = domain.act_on(known, Act.REPLACE)
    [order] = await place_orders([request], orders, actor, replaces=known.order_id)
    if order is None:
        raise NumberTaken(str(request.placer_order_number))
    await orders.save(replaced)
    orders.emit(_cancelled(replaced, reason, actor, replaced_by=order.order_id))
    return order


async def hold_order(number: Identifier | UUID, reason: str | None, orders: Orders, actor: str | None = None) -> Order:
    """Let an order wait, before its exam starts (HD); twice is once. Raises NoSuchOrder, NotPossible."""
    known = await _known(number, orders)
    order = domain.act_on(known, Act.HOLD)
    if order != known:
        await orders.save(order)
        orders.emit(OrderHeld(**_paused(order, reason, actor)))
    return order


async def release_order(
    number: Identifier | UUID, reason: str | None, orders: Orders, actor: str | None = None
) -> Order:
    """A held order need not wait any longer (RL); one that is not held stays. Raises NoSuchOrder, NotPossible."""
    known = await _known(number, orders)
    order = domain.act_on(known, Act.RELEASE)
    if order != known:
        await orders.save(order)
        orders.emit(OrderReleased(**_paused(order, reason, actor)))
    return order


async def on_exam_moved(order_id: UUID | None, act: Act, orders: Orders) -> None:
    """The exam of an order started, ended or was given up. Nobody waits for the release of one that was held."""
    known = await orders.by_id(order_id) if order_id else None
    if known is not None and (order := domain.happened(known, act)) != known:
        await orders.save(order)
        if known.life is Life.HELD:
            orders.emit(OrderReleased(**_paused(order, "the exam had started", None)))


async def on_exam_put_back(fact: ExamPutBack, orders: Orders) -> None:
    """What was done was another exam. An order of which another step has been performed stays where it is."""
    known = await orders.by_id(fact.order_id)
    if known is not None and fact.state == "SCHEDULED":
        await _undone(known, domain.happened(known, Act.PUT_BACK), "its images were another order's", orders)


async def on_study_relinked(fact: StudyRelinked, orders: Orders) -> None:
    """An order lost a study: where the images carry its own Study UID, its next ones must not be mixed with them."""
    if fact.previous_order_id is None or fact.previous_order_id == fact.order_id:
        return
    known = await orders.by_id(fact.previous_order_id)
    if known is not None and (order := domain.bereft(known, fact.study_instance_uid)) != known:
        await orders.save(order)
        orders.emit(_changed(order, domain.differences(known.details, order.details), fact.actor))


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
        orders.emit(_changed(order, changed, None))
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


async def _known(number: Identifier | UUID | None, orders: Orders) -> Order:
    by_number = orders.by_id(number) if isinstance(number, UUID) else number and orders.by_placer_number(number)
    known = await by_number if by_number else None
    if known is None:
        raise NoSuchOrder(str(number or ""))
    return known


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


def _placed(order: Order, actor: str | None, replaces: UUID | None) -> OrderPlaced:
    return OrderPlaced(order_id=order.order_id, site=order.site, actor=actor, replaces=replaces, **vars(order.details))


def _cancelled(order: Order, reason: str | None, actor: str | None, replaced_by: UUID | None = None) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.order_id,
        site=order.site,
        actor=actor,
        patient_id=order.details.patient_id,
        accession_number=order.details.accession_number,
        study_instance_uid=order.details.study_instance_uid,
        reason=reason,
        replaced_by=replaced_by,
    )


def _paused(order: Order, reason: str | None, actor: str | None) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "site": order.site,
        "actor": actor,
        "patient_id": order.details.patient_id,
        "accession_number": order.details.accession_number,
        "placer_order_number": order.details.placer_order_number,
        "reason": reason,
    }


def _changed(order: Order, changed: tuple[str, ...], actor: str | None) -> OrderChanged:
    return OrderChanged(order_id=order.order_id, site=order.site, actor=actor, changed=changed, **vars(order.details))

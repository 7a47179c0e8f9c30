"""The facts that the wishes of a placer lead to."""

from typing import Any
from uuid import UUID

from fj_events import OrderCancelled, OrderChanged, OrderPlaced

from order_service.domain.order import Order


def placed(order: Order, actor: str | None, replaces: UUID | None) -> OrderPlaced:
    """The order is there."""
    return OrderPlaced(order_id=order.order_id, site=order.site, actor=actor, replaces=replaces, **vars(order.details))


def cancelled(order: Order, reason: str | None, actor: str | None, replaced_by: UUID | None = None) -> OrderCancelled:
    """The placer took the order back, or wants another one."""
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


def paused(order: Order, reason: str | None, actor: str | None) -> dict[str, Any]:
    """What `order.held` and `order.released` say."""
    return {
        "order_id": order.order_id,
        "site": order.site,
        "actor": actor,
        "patient_id": order.details.patient_id,
        "accession_number": order.details.accession_number,
        "placer_order_number": order.details.placer_order_number,
        "reason": reason,
    }


def changed(order: Order, changed: tuple[str, ...], actor: str | None, moved_with: UUID | None = None) -> OrderChanged:
    """The whole new state, the names of what differs, and the visit whose move it is."""
    return OrderChanged(
        order_id=order.order_id,
        site=order.site,
        actor=actor,
        changed=changed,
        moved_with=moved_with,
        **vars(order.details),
    )

"""Deliveries that need a person, and what the person said: facts of `operator-events`."""

from typing import Final
from uuid import UUID

from fj_events import WorkGivenUp, WorkKind, WorkSettled, WorkSettledAs

from ehr_sync_service.domain.delivery import Delivery

ROOM: Final = "ehr_sync"


def given_up(delivery: Delivery, reason: str) -> WorkGivenUp:
    """No attempt is left. `reason` is free of PHI."""
    return WorkGivenUp(
        site=delivery.fact.site,
        work_id=_work_id(delivery.delivery_id),
        room=ROOM,
        kind=WorkKind.DELIVERY,
        destination=delivery.destination,
        about=delivery.exam_key if delivery.fact.topic != "patient-events" else None,
        reason=f"{delivery.message_type}, {reason}",
        address=f"/api/{ROOM}/deliveries/{delivery.delivery_id}",
    )


def settled(
    delivery_id: UUID, site: str, settled_as: WorkSettledAs, reason: str | None, actor: str | None = None
) -> WorkSettled:
    """Nobody has to look (any more)."""
    return WorkSettled(
        site=site,
        actor=actor,
        work_id=_work_id(delivery_id),
        room=ROOM,
        kind=WorkKind.DELIVERY,
        settled_as=settled_as,
        reason=reason,
    )


def _work_id(delivery_id: UUID) -> str:
    return f"{ROOM}.{WorkKind.DELIVERY}.{delivery_id}"

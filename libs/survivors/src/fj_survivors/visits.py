"""Following a visit or account that went to another patient (A45, A44) or got another number (A50, A49)."""

from fj_bus import Consumer, Tx
from fj_events import OrderChanged, PatientVisitFollowed


def follow_visit(fact: OrderChanged, consumer: Consumer, tx: Tx) -> None:
    """After what the room does about a changed order: where that came with its visit, the room has followed."""
    if fact.moved_with is None:
        return
    room = consumer.bus.service
    follower = f"{room}.{fact.moved_with}"
    tx.emit(PatientVisitFollowed(site=fact.site, follower=follower, room=room, visit_id=fact.moved_with))

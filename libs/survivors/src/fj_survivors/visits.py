"""Following a visit or account that went to another patient (HL7 v2.5.1 ch. 3 A45, A44): with the orders on it."""

from fj_bus import Consumer, Tx
from fj_events import OrderChanged, PatientVisitFollowed


def follow_visit(fact: OrderChanged, consumer: Consumer, tx: Tx) -> None:
    """After what the room does about a changed order: where it went with its visit, say that the room has followed."""
    if fact.moved_with is None:
        return
    room = consumer.bus.service
    follower = f"{room}.{fact.moved_with}"
    tx.emit(PatientVisitFollowed(site=fact.site, follower=follower, room=room, visit_id=fact.moved_with))

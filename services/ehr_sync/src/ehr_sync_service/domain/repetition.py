"""Plans that were told of somebody who is not the patient any more: told again, of who is (IHE RAD-13)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from fj_events import Envelope

from ehr_sync_service.domain.correction import Result, part
from ehr_sync_service.domain.delivery import Delivery, write
from ehr_sync_service.domain.plan import CANCELLED
from ehr_sync_service.domain.telling import Receiver

_NEW: Final = "NW"
_CHANGED: Final = "XO"


def repetitions(
    procedures: Iterable[Result], cause: Envelope, receivers: Iterable[Receiver], now: datetime
) -> Iterator[Delivery]:
    """What image managers are told again. `procedures`: what they were told of plans, in order of writing.

    What is not on its way yet will name the right patient by itself; what was cancelled nobody keeps.
    """
    wanted = {receiver.name: receiver for receiver in receivers}
    last = {(each.delivery.destination, each.delivery.order_id): each for each in procedures}
    for (destination, order_id), each in last.items():
        delivery = each.delivery
        named_right = not each.told or (delivery.message is not None and not each.misnamed)
        if named_right or destination not in wanted or delivery.telling.control == CANCELLED.control:
            continue
        control = _CHANGED if delivery.telling.control == _NEW else delivery.telling.control
        telling = replace(delivery.telling, control=control)
        again = write(telling, delivery.fact, part(cause, str(order_id)), wanted[destination], now)
        yield replace(again, plan=delivery.plan)

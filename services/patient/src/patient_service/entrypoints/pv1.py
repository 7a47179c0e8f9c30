"""Reading PV1 of ADT messages (HL7 v2.5.1 ch. 3.4.3): what happened in a visit."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from fj_doors import location_of
from fj_events import VisitKind
from fj_hl7 import CX, Item

from patient_service.domain.stay import EFFECTS, Event
from patient_service.domain.visit import Visit
from patient_service.entrypoints.adt import Reader, visit_of

_LOCATIONS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType({"A09": (11, 3), "A10": (11, 3)})
"""Where the patient is: the first of these fields. Who is tracked may be at a temporary location (PV1-11)."""
_ASSIGNED: Final = (3,)
_PRIOR: Final = 6


class Happened(NamedTuple):
    """An event, and the visit that it is of."""

    visit: Visit
    event: Event


def happened(adt: Reader) -> Happened | None:
    """What the message says of a visit; None where it names none, or is about no visit."""
    message = adt.message
    pv1, trigger = message.segment("PV1"), message.trigger
    found = message.profile.find(Item.VISIT_NUMBER, message)
    number = next(iter(adt.numbers([found.read(CX)] if found else [])), None)
    if pv1 is None or number is None or trigger not in EFFECTS:
        return None
    visit = visit_of(VisitKind.VISIT, number, adt.namespace)
    places = (location_of(pv1, field) for field in _LOCATIONS.get(trigger, _ASSIGNED))
    event = Event(
        visit_id=visit.visit_id,
        patient_id=adt.news().patient_id,
        site=adt.site.name,
        trigger=trigger,
        at=min(adt.at, datetime.now(UTC)),
        patient_class=pv1.get(2) or None,
        location=next((place for place in places if place is not None), None),
        prior_location=location_of(pv1, _PRIOR),
    )
    return Happened(visit, event)

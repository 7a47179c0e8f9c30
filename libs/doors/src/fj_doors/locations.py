"""Reading where a patient is (PL, HL7 v2.5.1 section 2.A.53)."""

from fj_events import PatientLocation
from fj_hl7 import PL, Segment


def location_of(segment: Segment, field: int) -> PatientLocation | None:
    """What a field says of it. None: nothing is said; HL7 null: a location without any part."""
    if segment.is_null(field):
        return PatientLocation()
    place = segment.first(PL, field)
    if place is None:
        return None
    said = PatientLocation(
        point_of_care=place.point_of_care or None,
        room=place.room or None,
        bed=place.bed or None,
        floor=place.floor or None,
        building=place.building or None,
        facility=place.facility.namespace or None,
    )
    return said if said.display else None

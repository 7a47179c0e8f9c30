"""Which records are worth comparing: those that share a key. An index finds them, so that the others cost nothing.

Each slip that the matcher forgives leaves one of the keys as it was: swapped names, transposed digits of the birth
date, a wrong digit in it, another spelling of a name, a new address.
"""

from collections.abc import Iterator
from typing import Final

from fj_events import PatientPhi

from patient_service.domain.names import fold, phone_end, spellings

MOST: Final = 30
"""A key that more records share tells too little; other keys find the pair."""
ALIKE_MOST: Final = 10
"""Where a record is like more others than these, what they say is no person's: a placeholder, a test."""
_BEGINNING: Final = 4


def keys(phi: PatientPhi) -> frozenset[str]:
    """The keys of a record."""
    return frozenset(_keys(phi))


def _keys(phi: PatientPhi) -> Iterator[str]:
    names = [spellings(name) for name in (phi.family_name, phi.given_name) if name]
    beginnings = {spelling[:_BEGINNING] for name in names for spelling in name}
    if phi.birth_date:
        digits = "".join(sorted(phi.birth_date.strftime("%Y%m%d")))
        yield f"born {phi.birth_date.isoformat()}"
        yield from (f"name and date {beginning} {digits}" for beginning in beginnings)
    if len(names) > 1:
        yield from (f"names {' '.join(sorted((family, given)))}" for family in names[0] for given in names[1])
    if phi.ideographic_name:
        yield f"ideographs {fold(phi.ideographic_name.replace('^', ' '))}"
    places = (phi.address.postal_code, phi.address.line) if phi.address else ()
    for place in filter(None, places):
        yield from (f"name and place {beginning} {fold(place).replace(' ', '')}" for beginning in beginnings)
    if phone := phone_end(phi.phone):
        yield f"phone {phone}"

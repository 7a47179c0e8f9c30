"""Where a result names its exam and says how final it is: by the standard, or where its sender's profile has it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from fj_events import Identifier
from fj_hl7 import EI, AckCode, ErrorCode, Found, Hl7Error, Item, Place, Profile, Refusal, Segment, Segments
from fj_runtime import Site

_UID_CODES: Final = ("113014", "110180")
"""Study Instance UID (DCM), as the value of an observation."""
_IN_RESULTS: Final = {
    Item.RESULT_STATUS: ("OBR-25",),
    Item.PLACER_ORDER_NUMBER: ("OBR-2", "ORC-2"),
    Item.ACCESSION_NUMBER: ("OBR-18", "OBR-20", "OBR-3", "ORC-3"),
    Item.STUDY_INSTANCE_UID: tuple(f"OBX[3={code}]-5" for code in _UID_CODES),
}
_IN_DOCUMENTS: Final = _IN_RESULTS | {
    Item.RESULT_STATUS: ("TXA-17",),
    Item.PLACER_ORDER_NUMBER: ("OBR-2", "ORC-2", "TXA-14"),
    Item.ACCESSION_NUMBER: ("OBR-18", "OBR-20", "OBR-3", "ORC-3", "TXA-15"),
}
_RESULTS, _DOCUMENTS = (
    MappingProxyType({item: tuple(map(Place.parse, places)) for item, places in table.items()})
    for table in (_IN_RESULTS, _IN_DOCUMENTS)
)
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(slots=True)
class Places:
    """Of one result. A sender's own place counts alone; by the standard every number counts that is there."""

    profile: Profile
    site: Site
    scopes: tuple[Segments, ...]
    """The result, and what is said of all."""
    document: bool = False
    _read: list[Segment] = field(default_factory=list)

    def first(self, item: Item) -> Found | None:
        """What stands in the first place that is filled."""
        found = next(self.profile.each(item, *self.scopes, otherwise=self._standard(item)), None)
        if found is not None and found.segment is not None:
            self._read.append(found.segment)
        return found

    def is_read(self, obx: Segment) -> bool:
        """Whether an observation is a number or a status, and no text."""
        return obx.get(3) in _UID_CODES or any(obx is segment for segment in self._read)

    def placer_order_number(self) -> Identifier | None:
        """The number that the placer knows the order by."""
        found = self.first(Item.PLACER_ORDER_NUMBER)
        return _identifier(found, self.site.issuers.placer) if found else None

    def accession_numbers(self) -> tuple[Identifier, ...]:
        """Every number that may be the accession number."""
        numbers = (_identifier(found, self.site.issuers.accession) for found in self._all(Item.ACCESSION_NUMBER))
        return tuple(dict.fromkeys(number for number in numbers if number))

    def study_instance_uids(self) -> tuple[str, ...]:
        """Of the images. Raises Refusal, which points at what is none."""
        if Item.STUDY_INSTANCE_UID in self.profile.own:
            return tuple(map(_uid, self._all(Item.STUDY_INSTANCE_UID)))
        self.first(Item.STUDY_INSTANCE_UID)
        place, *_ = self._standard(Item.STUDY_INSTANCE_UID)
        observations = (obx for obx in self.scopes[0].segments("OBX") if obx.get(3) in _UID_CODES)
        return tuple(_uid(found) for obx in observations if (found := place.within(obx)) and found.text)

    def _all(self, item: Item) -> Iterator[Found]:
        first = self.first(item)
        if item in self.profile.own:
            yield from [first] if first else []
        else:
            yield from filter(None, (place.find(self.scopes) for place in self._standard(item)))

    def _standard(self, item: Item) -> tuple[Place, ...]:
        return (_DOCUMENTS if self.document else _RESULTS)[item]


def _identifier(found: Found, issuer: str) -> Identifier | None:
    number = found.read(EI)
    if not number.value:
        return None
    authority = number.authority.namespace or number.authority.universal_id
    return Identifier(value=number.value, issuer=authority or issuer)


def _uid(found: Found) -> str:
    if len(found.text) > 64 or not _UID.fullmatch(found.text):
        segment, place = found.segment, found.source
        name, sequence = (segment.name, segment.sequence) if segment else ("", 0)
        at = place.field if isinstance(place, Place) else 0
        raise Refusal(AckCode.AE, Hl7Error(f"{name}-{at} is no UID", ErrorCode.DATA_TYPE_ERROR, name, sequence, at))
    return found.text

"""A profile that remembers where it looked and what it found: by this a reading is explained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Self

from fj_hl7 import Found, Item, Place, Profile
from fj_hl7.message import Segments
from fj_hl7.places import Source


@dataclass(slots=True)
class Look:
    """Once looked for one item."""

    item: Item
    sources: tuple[Source, ...]
    own: bool
    """Whether the places are the sender's own."""
    found: list[Found] = field(default_factory=list)
    """In their order; the last one is what was taken, unless `exhausted`."""
    exhausted: bool = False
    """Nothing, or nothing more, was found: whatever was there did not fit."""

    @property
    def taken(self) -> Found | None:
        return self.found[-1] if self.found and not self.exhausted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Profile):
    """Reads as the profile does of which it is made."""

    looks: list[Look] = field(default_factory=list)

    @classmethod
    def of(cls, profile: Profile) -> Self:
        return cls(**{each.name: getattr(profile, each.name) for each in fields(Profile)})

    def each(self, item: Item, *scopes: Segments, otherwise: Sequence[Source] = ()) -> Iterator[Found]:
        sources = tuple(otherwise if otherwise and item not in self.own else self.places[item])
        look = Look(item, sources, item in self.own)
        self.looks.append(look)
        for found in Profile.each(self, item, *scopes, otherwise=otherwise):
            look.found.append(found)
            yield found
        look.exhausted = True

    def find(self, item: Item, *scopes: Segments) -> Found | None:
        return next(self.each(item, *scopes), None)

    def since(self) -> list[Look]:
        """What was looked for since the last call."""
        looks = list(self.looks)
        self.looks.clear()
        return looks


PID_PLACES = {
    "patient_id": ("PID-3", "PID-2", "PID-4"),
    "family_name": ("PID-5.1",),
    "given_name": ("PID-5.2",),
    "middle_name": ("PID-5.3",),
    "birth_date": ("PID-7",),
    "sex": ("PID-8",),
    "address": ("PID-11",),
    "phone": ("PID-13",),
}
"""Of what stands in PID, for every sender but for the number."""


def pid_look(profile: Profile, name: str, *scopes: Segments) -> Look | None:
    """Where something of PID stands."""
    if name not in PID_PLACES:
        return None
    own = name == Item.PATIENT_ID and Item.PATIENT_ID in profile.own
    sources = profile.places[Item.PATIENT_ID] if own else tuple(map(Place.parse, PID_PLACES[name]))
    look = Look(Item.PATIENT_ID, sources, own)
    look.found.extend(found for source in sources if (found := source.find(scopes)) is not None)
    del look.found[1:]
    return look

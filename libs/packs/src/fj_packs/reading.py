"""A whole pack or sealed segment, read: whose it is, its instances, and what they say above the instance."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final
from uuid import UUID

from fj_events import Source

from fj_packs.heads import read_head, read_member
from fj_packs.pack import Contents, Defaults, Member, Origin, Place, SeriesHead
from fj_packs.tar import Found, holds

ABOUT: Final = "filmjacket.json"
"""The first member: whose the segment is."""


def about(segment: UUID, study_instance_uid: str, origin: Origin) -> bytes:
    """The content of `ABOUT`."""
    return json.dumps(
        {
            "segment": str(segment),
            "study_instance_uid": study_instance_uid,
            "site": origin.site,
            "source": origin.source,
            "calling_ae_title": origin.calling_ae_title,
            "actor": origin.actor,
        }
    ).encode()


def read_about(segment: UUID | None, content: bytes) -> tuple[str, Origin]:
    """Study Instance UID and origin. Raises ValueError, KeyError, TypeError when it is not what `about` wrote.

    `segment`: that which has to be named; None: any.
    """
    told = json.loads(content)
    if segment is not None and told["segment"] != str(segment):
        raise ValueError(f"the content is that of segment {told['segment']}")
    origin = Origin(Source(told["source"]), told["site"], told["calling_ae_title"], told["actor"])
    return told["study_instance_uid"], origin


class BrokenSegment(Exception):
    """It is not what was written: its disk is broken, or it is not ours."""


def read_contents(segment: UUID, members: Sequence[Found], content: memoryview) -> Contents:
    """What a segment holds. Raises BrokenSegment, fj_dicom.BadDataSet."""
    return _contents(segment, segment, members, content)


def read_parts(segment: UUID, members: Sequence[Found], content: memoryview) -> list[Contents]:
    """What a pack holds: of one that replaces several, what each of them held.

    Raises BrokenSegment, fj_dicom.BadDataSet.
    """
    later = [place for place, found in enumerate(members) if found.name == ABOUT and place]
    parts = [members[begin:end] for begin, end in pairwise([0, *later, len(members)])]
    named = [segment, *(None for _ in later)]  # the others name what they were
    return [_contents(segment, name, part, content) for name, part in zip(named, parts, strict=True)]


def _contents(segment: UUID, named: UUID | None, members: Sequence[Found], content: memoryview) -> Contents:
    try:
        first = members[0]
        told = bytes(content[first.offset : first.offset + first.length])
        study_instance_uid, origin = read_about(named, told)
    except (IndexError, ValueError, KeyError, TypeError) as reason:
        raise BrokenSegment(f"segment {segment} does not begin with {ABOUT}") from reason
    places = [found.place for found in members if found.place is not None]
    read = tuple(_member(segment, place, content[place.offset : place.end]) for place in places)
    return Contents(study_instance_uid, origin, read)


def _member(segment: UUID, place: Place, file: memoryview) -> Member:
    """What is told of an instance; its bytes are what was acknowledged, or nothing is told."""
    data_set = file[place.data_offset :]
    if not holds(place, data_set):
        raise BrokenSegment(f"segment {segment} holds other bytes at {place.offset} than were received")
    return read_member(place, hashlib.sha256(data_set).hexdigest(), file)


def read_heads(members: Iterable[Member], content: memoryview, defaults: Defaults) -> Mapping[str, SeriesHead]:
    """By series: what the first of its instances here says of it."""
    first: dict[str, Member] = {}
    for member in members:
        first.setdefault(member.identity.series_instance_uid, member)
    return {
        series: read_head(member, content[member.place.offset : member.place.end], defaults)
        for series, member in first.items()
    }

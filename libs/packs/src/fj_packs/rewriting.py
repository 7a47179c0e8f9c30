"""Packs written anew: one without some of its members, or several as one. What is kept stays in its order.

Members are copied as they are, headers and all; only the first one is made anew, as it names the segment. Of several
packs the first member of each is kept, as it says whose the members behind it are.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeAlias
from uuid import UUID

from fj_packs.reading import ABOUT, BrokenSegment, about, read_about
from fj_packs.tar import END, Found, plain_member, walk

Range: TypeAlias = tuple[int, int]
"""Offset and length, bytes."""
PIECE: Final = 4 * 1024 * 1024
_CHOSEN_BITS: Final = 62


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is kept of a pack: the members whose files begin at these offsets."""

    segment: UUID
    offsets: frozenset[int]


def successor(segment: UUID) -> UUID:
    """The id of a pack that replaces one: the next, so that packs in order of their names stay in order of time."""
    return UUID(int=(segment.int + 1) % 2**128)


def joint(parts: Iterable[Chosen]) -> UUID:
    """The id of a pack that replaces several: made when the last of them was (RFC 9562 5.7), and always the same.

    Of other members it is another one, so that no object is written over.
    """
    digest, last = hashlib.sha256(), UUID(int=0)
    for part in parts:
        digest.update(part.segment.bytes)
        digest.update(",".join(map(str, sorted(part.offsets))).encode())
        last = max(last, part.segment)
    mask = (1 << _CHOSEN_BITS) - 1
    return UUID(int=last.int & ~mask | int.from_bytes(digest.digest(), "big") & mask)


def rewrite(pack: BinaryIO, segment: UUID, keep: Collection[int], into: BinaryIO) -> list[Range]:
    """Write the pack of that segment anew, with the members whose files begin at these offsets.

    Returns what the new pack has of the old one, in this order. Its first range is that of the first member, which is
    as long as before. Raises BrokenSegment, such as where a member that is to be kept is not there.
    """
    kept = append(pack, Chosen(segment, frozenset(keep)), into, successor(segment))
    into.write(END)
    return kept


def append(pack: BinaryIO, chosen: Chosen, into: BinaryIO, segment: UUID | None = None) -> list[Range]:
    """Write what is chosen of a pack behind what is in `into`; see `rewrite`. The caller ends the new pack with `END`.

    `segment`: that of the new pack, which begins with this.
    """
    members = walk(pack)
    first = next(members, None)
    if first is None:
        raise BrokenSegment(f"segment {chosen.segment} is no tar file")
    kept = _ranges(first, members, chosen.offsets)
    _copy_first(pack, first, chosen.segment, into, segment)
    for offset, length in kept[1:]:
        _copy(pack, offset, length, into)
    return kept


def _copy_first(pack: BinaryIO, first: Found, own: UUID, into: BinaryIO, segment: UUID | None) -> None:
    pack.seek(first.offset)
    try:
        study_instance_uid, origin = read_about(own, pack.read(first.length))
    except (ValueError, KeyError, TypeError) as reason:
        raise BrokenSegment(f"segment {own} does not begin with {ABOUT}") from reason
    begins = plain_member(first.name, about(segment or own, study_instance_uid, origin))
    if len(begins) != first.end:
        raise BrokenSegment(f"the first member of segment {own} is not as it was written")
    into.write(begins)


def moved(offset: int, kept: Sequence[Range], begins: int = 0) -> int | None:
    """Where that byte of the old pack lies in the new one; None where it was left out.

    `begins`: where what is kept of the old one does in the new one.
    """
    place = begins
    for begin, length in kept:
        if begin <= offset < begin + length:
            return place + offset - begin
        place += length
    return None


def _ranges(first: Found, members: Iterable[Found], keep: Collection[int]) -> list[Range]:
    """Neighbours are one range."""
    ranges, wanted, before = [(0, first.end)], set(keep), first.end
    for member in members:
        if member.offset in wanted or member.name == ABOUT:
            wanted.discard(member.offset)
            begin, length = ranges[-1]
            if begin and begin + length == before:
                ranges[-1] = (begin, member.end - begin)
            else:
                ranges.append((before, member.end - before))
        before = member.end
    if wanted:
        raise BrokenSegment(f"{len(wanted)} members are not where they were told to be")
    return ranges


def _copy(source: BinaryIO, offset: int, length: int, into: BinaryIO) -> None:
    source.seek(offset)
    while length:
        piece = source.read(min(length, PIECE))
        if not piece:
            raise BrokenSegment("it is cut short")
        into.write(piece)
        length -= len(piece)

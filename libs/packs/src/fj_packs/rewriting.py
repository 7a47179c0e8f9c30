"""A pack without some of its members: the same tar file, with what is kept in the order in which it lay.

Members are copied as they are, headers and all; only the first one is made anew, as it names the segment.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import BinaryIO, Final, TypeAlias
from uuid import UUID

from fj_packs.reading import ABOUT, BrokenSegment, about, read_about
from fj_packs.tar import END, Found, plain_member, walk

Range: TypeAlias = tuple[int, int]
"""Offset and length, bytes."""
PIECE: Final = 4 * 1024 * 1024


def successor(segment: UUID) -> UUID:
    """The id of a pack that replaces one: the next, so that packs in order of their names stay in order of time."""
    return UUID(int=(segment.int + 1) % 2**128)


def rewrite(pack: BinaryIO, segment: UUID, keep: Collection[int], into: BinaryIO) -> list[Range]:
    """Write the pack of that segment anew, with the members whose files begin at these offsets.

    Returns what the new pack has of the old one, in this order. Its first range is that of the first member, which is
    as long as before. Raises BrokenSegment, such as where a member that is to be kept is not there.
    """
    members = walk(pack)
    first = next(members, None)
    if first is None:
        raise BrokenSegment(f"segment {segment} is no tar file")
    kept = _ranges(first, members, keep)
    pack.seek(first.offset)
    try:
        study_instance_uid, origin = read_about(segment, pack.read(first.length))
    except (ValueError, KeyError, TypeError) as reason:
        raise BrokenSegment(f"segment {segment} does not begin with {ABOUT}") from reason
    begins = plain_member(first.name, about(successor(segment), study_instance_uid, origin))
    if len(begins) != first.end:
        raise BrokenSegment(f"the first member of segment {segment} is not as it was written")
    into.write(begins)
    for offset, length in kept[1:]:
        _copy(pack, offset, length, into)
    into.write(END)
    return kept


def moved(offset: int, kept: Sequence[Range]) -> int | None:
    """Where that byte of the old pack lies in the new one; None where it was left out."""
    place = 0
    for begin, length in kept:
        if begin <= offset < begin + length:
            return place + offset - begin
        place += length
    return None


def _ranges(first: Found, members: Iterable[Found], keep: Collection[int]) -> list[Range]:
    """Neighbours are one range."""
    ranges, wanted, before = [(0, first.end)], set(keep), first.end
    for member in members:
        if member.offset in wanted:
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

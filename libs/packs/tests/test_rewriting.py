"""A pack without some of its members is a pack like any other."""

import io
import tarfile
from uuid import UUID

import pytest
from fj_events import Source
from fj_packs.pack import Origin
from fj_packs.reading import ABOUT, BrokenSegment, about, read_about, read_parts
from fj_packs.rewriting import Chosen, append, joint, moved, rewrite, successor
from fj_packs.tar import END, padding, plain_member, walk

SEGMENT = UUID("0190a1b2-0000-7000-8000-0000000000ff")
ORIGIN = Origin(Source.DIMSE, "NORTH", "CT1")
FILES = [bytes([number]) * (700 * number) for number in range(1, 6)]


def a_pack(*files: bytes) -> io.BytesIO:
    members = [plain_member(f"1.2/1.2.{number}", file) for number, file in enumerate(files, 1)]
    return io.BytesIO(plain_member(ABOUT, about(SEGMENT, "1.2.3", ORIGIN)) + b"".join(members) + END)


def offsets(pack: io.BytesIO) -> list[int]:
    return [found.offset for found in walk(pack)][1:]


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4], [0], [4], [1, 2], [0, 2, 4], []])
def test_what_is_kept_is_as_it_was_and_where_it_is_told_to_be(kept: list[int]) -> None:
    old, new = a_pack(*FILES), io.BytesIO()
    places = offsets(old)
    ranges = rewrite(old, SEGMENT, [places[number] for number in kept], new)
    data = new.getvalue()
    for number, (place, file) in enumerate(zip(places, FILES, strict=True)):
        now = moved(place, ranges)
        assert (now is not None) is (number in kept)
        assert now is None or data[now : now + len(file)] == file
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = [member.name for member in archive.getmembers()]
    assert names == [ABOUT, *(f"1.2/1.2.{number + 1}" for number in kept)]
    assert len(data) == sum(length for _, length in ranges) + len(END)
    first = next(walk(new))
    assert read_about(successor(SEGMENT), data[first.offset : first.offset + first.length]) == ("1.2.3", ORIGIN)


def test_neighbours_are_one_range_and_a_pack_that_was_rewritten_can_be_again() -> None:
    old, new, last = a_pack(*FILES), io.BytesIO(), io.BytesIO()
    places = offsets(old)
    ranges = rewrite(old, SEGMENT, places[1:4], new)
    assert len(ranges) == 2
    rewrite(new, successor(SEGMENT), offsets(new)[1:2], last)
    (place,) = offsets(last)
    assert last.getvalue()[place : place + len(FILES[2])] == FILES[2]
    assert len(padding(len(FILES[2]))) < 512


def test_its_name_comes_right_behind_that_of_the_pack_that_it_replaces() -> None:
    later = UUID("0190a1b2-0000-7000-8000-000000000fff")
    assert str(SEGMENT) < str(successor(SEGMENT)) < str(later)


@pytest.mark.parametrize("cut", [0, 600, 3000])
def test_a_pack_that_lacks_what_is_to_be_kept_is_refused(cut: int) -> None:
    old = a_pack(*FILES)
    place = offsets(old)[-1]
    broken = io.BytesIO(old.getvalue()[: place - cut])
    with pytest.raises(BrokenSegment):
        rewrite(broken, SEGMENT, [place], io.BytesIO())


def test_what_does_not_begin_as_a_pack_is_refused() -> None:
    with pytest.raises(BrokenSegment):
        rewrite(io.BytesIO(plain_member(ABOUT, b"{}") + END), SEGMENT, [], io.BytesIO())
    with pytest.raises(BrokenSegment):
        rewrite(a_pack(*FILES), successor(SEGMENT), [], io.BytesIO())


def segment(number: int) -> UUID:
    return UUID(int=SEGMENT.int + (number << 80))


def test_several_become_one_and_each_says_still_whose_it_is() -> None:
    kept: list[list[int]] = [[0, 2], [], [1, 3, 4]]
    packs, origins = [], [ORIGIN, ORIGIN, Origin(Source.DIMSE, "SOUTH", "CT2")]
    for number, origin in enumerate(origins):
        rest = a_pack(*(bytes([number]) + file for file in FILES)).getvalue()[1024:]
        packs.append(io.BytesIO(plain_member(ABOUT, about(segment(number), "1.2.3", origin)) + rest))
    chosen = [
        Chosen(segment(number), frozenset(offsets(pack)[one] for one in kept[number]))
        for number, pack in enumerate(packs)
    ]
    name, new = joint(chosen), io.BytesIO()
    begins, ranges = [], []
    for pack, part in zip(packs, chosen, strict=True):
        begins.append(new.tell())
        ranges.append(append(pack, part, new, None if begins[1:] else name))
    new.write(END)
    data = new.getvalue()
    for number, pack in enumerate(packs):
        for place, (offset, file) in enumerate(zip(offsets(pack), FILES, strict=True)):
            now = moved(offset, ranges[number], begins[number])
            assert (now is not None) is (place in kept[number])
            assert now is None or data[now : now + len(file) + 1] == bytes([number]) + file
    parts = read_parts(name, list(walk(new)), memoryview(data))
    assert [part.origin for part in parts] == origins

    again, last = io.BytesIO(), [found.offset for found in walk(new) if found.name != ABOUT][-1]
    rewrite(new, name, [last], again)
    parts = read_parts(successor(name), list(walk(again)), memoryview(again.getvalue()))
    assert [part.origin for part in parts] == origins, "whatever is left"


def test_the_name_of_what_several_become_stands_where_the_last_of_them_did_and_says_what_is_in_it() -> None:
    parts = [Chosen(segment(number), frozenset({512, 2048})) for number in range(3)]
    name = joint(parts)
    assert str(segment(1)) < str(name) < str(segment(3))
    assert name not in {part.segment for part in parts}
    assert name == joint(parts)
    assert len({name, joint(parts[1:]), joint([*parts[:2], Chosen(segment(2), frozenset({512}))])}) == 3

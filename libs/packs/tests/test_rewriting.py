"""A pack without some of its members is a pack like any other."""

import io
import tarfile
from uuid import UUID

import pytest
from fj_events import Source
from fj_packs.pack import Origin
from fj_packs.reading import ABOUT, BrokenSegment, about, read_about
from fj_packs.rewriting import moved, rewrite, successor
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

"""The directory gives back what was listed in it, in few bytes."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from storage_service.domain.directory import AT_ONCE, BITS, LEAST, ON_A_PAGE, Volume, fingerprint, in_order, slices

CHANCE = random.Random(11)  # noqa: S311 - nothing secret
marks = st.integers(0, (1 << BITS) - 1)
pairs = st.lists(st.tuples(marks, st.integers(5, 70_000)), min_size=1, max_size=200).map(in_order)


@given(pairs, st.integers(1, 40_000_000))
def test_what_is_listed_is_found_and_read_again(pairs: list[tuple[int, int]], instances: int) -> None:
    volume = Volume.of(instances, min(series for _, series in pairs), max(series for _, series in pairs))
    pages = dict(volume.pages(pairs))
    assert [pair for page in sorted(pages) for pair in volume.read(page, pages[page])] == pairs
    for mark, series in pairs:
        assert series in volume.series(mark, pages[volume.page(mark)])


@given(pairs, marks)
def test_what_is_not_listed_is_not_found(pairs: list[tuple[int, int]], mark: int) -> None:
    volume = Volume.of(len(pairs), 5, 70_000)
    page = dict(volume.pages(pairs)).get(volume.page(mark), b"")
    assert list(volume.series(mark, page)) == [series for listed, series in pairs if listed == mark]


@given(st.integers(1, 1 << 40))
def test_slices_cover_all_fingerprints_each_once_and_end_where_pages_end(instances: int) -> None:
    parts = slices(min(instances, AT_ONCE * 256))
    assert [parts[0][0], parts[-1][1]] == [0, 1 << BITS]
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert all(end % (1 << (BITS - 8)) == 0 for _, end in parts)


def test_an_instance_takes_seven_bytes_and_a_page_some_hundred() -> None:
    listed = in_order((CHANCE.getrandbits(BITS), number // 300) for number in range(LEAST))
    pages = dict(Volume.of(LEAST, 0, LEAST).pages(listed))
    assert sum(map(len, pages.values())) <= 7 * LEAST
    assert max(map(len, pages.values())) <= 7 * 2 * ON_A_PAGE


def test_fingerprints_are_those_of_every_release() -> None:
    assert fingerprint("1.2.840.10008.1.1") == 0x8845FE987A

"""Which packs of a study become one."""

import pytest
from fj_events import ObjectRef
from storage_service.domain.joining import LARGEST, WASTE, Joined, Piece, joints, told
from storage_service.domain.manifest import Entry
from storage_service.domain.thinning import Held, Rewrite

MIB = 1024 * 1024


def a_piece(
    key: int, mib: int = 1, *, bucket: str = "b", sound: bool = True, dead: int = 0, empty: bool = False
) -> Piece:
    entry = Entry(f"1.5.{key}", "1.2.840", "1.2.3", 1, 16, 16, 1, 2048, mib * MIB - 4096, 100, bytes(32))
    stored = ObjectRef(bucket=bucket, key=f"packs/{key:03}.tar", size=mib * MIB + dead, sha256="0" * 64)
    return Piece(Rewrite(key, stored, () if empty else (Held(1, "1.5", (entry,)),), ()), sound)


def joined(*pieces: Piece) -> list[list[int]]:
    return [one.pack_keys for one in joints(pieces)]


def test_many_small_packs_become_one_and_a_few_are_left_as_they_are() -> None:
    assert joined() == []
    assert joined(*map(a_piece, range(3))) == []
    assert joined(*map(a_piece, (3, 0, 2, 1))) == [[0, 1, 2, 3]]
    assert joined(*map(a_piece, range(200))) == [list(range(200))]


def test_no_pack_grows_beyond_its_size_and_large_ones_are_not_written_anew() -> None:
    large = LARGEST // MIB
    assert joined(*(a_piece(key, large) for key in range(6))) == []
    assert joined(*(a_piece(key, large // 2 - 1) for key in range(5))) == [[0, 1], [2, 3]]
    assert joined(a_piece(0, large), a_piece(1), a_piece(2), a_piece(3, large), a_piece(4)) == [[1, 2]]


@pytest.mark.parametrize("other", [a_piece(2, bucket="far"), a_piece(2, sound=False)])
def test_only_neighbours_in_one_bucket_that_are_sound_are_joined(other: Piece) -> None:
    assert joined(a_piece(0), a_piece(1), other, a_piece(3), a_piece(4), a_piece(5)) == [[0, 1], [3, 4, 5]]


def test_a_pack_that_is_mostly_what_came_again_is_written_anew_however_few_there_are() -> None:
    assert joined(a_piece(0, dead=2 * MIB)) == [[0]]
    assert joined(a_piece(0, dead=WASTE // 2), a_piece(1, 4, dead=2 * MIB)) == []
    assert joined(a_piece(0, dead=2 * MIB, empty=True)) == []


def test_what_is_told_says_of_each_pack_where_its_part_begins() -> None:
    (joint,) = joints([a_piece(key) for key in range(4)])
    to = ObjectRef(bucket="b", key="packs/new.tar", size=9, sha256="1" * 64)
    facts = list(told("MAIN", "1.2", joint, Joined(to, tuple((100 * key, ((0, 50), (70, 50))) for key in range(4)))))
    assert [(fact.previous.key, fact.begins) for fact in facts] == [
        ("packs/000.tar", 0),
        ("packs/001.tar", 100),
        ("packs/002.tar", 200),
        ("packs/003.tar", 300),
    ]
    assert [(one.offset, one.length) for one in facts[1].kept] == [(0, 50), (70, 50)]
    assert {fact.pack for fact in facts} == {to}

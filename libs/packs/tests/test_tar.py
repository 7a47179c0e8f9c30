"""What a few bytes of a pack say."""

from datetime import UTC, datetime

from fj_packs.pack import Place
from fj_packs.tar import BLOCK, HEADER_ROOM, first_member, member_header, plain_member, received_at

RECEIVED_AT = datetime(2026, 3, 2, 9, 15, 30, 250000, UTC)


def test_the_header_of_a_member_says_when_it_was_received() -> None:
    header = member_header(Place("1.2", "1.2.3", 4096, 1000, 300, "00" * 16, RECEIVED_AT), "11" * 32)
    assert len(header) == HEADER_ROOM
    assert received_at(header) == RECEIVED_AT


def test_what_is_no_header_says_nothing() -> None:
    assert received_at(b"\x07" * HEADER_ROOM) is None
    assert received_at(bytes(HEADER_ROOM)) is None
    assert received_at(b"") is None


def test_a_member_is_found_where_it_begins_and_whole() -> None:
    written = plain_member("filmjacket.json", b"{}")
    assert first_member(written + b"\x07" * BLOCK) == ("filmjacket.json", b"{}")
    assert first_member(written[:BLOCK]) is None
    assert first_member(b"\x07" * BLOCK) is None

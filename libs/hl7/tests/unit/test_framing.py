"""MLLP framing on a stream that comes in any pieces."""

import itertools

import pytest
from fj_hl7 import Framer, frame
from hypothesis import given
from hypothesis import strategies as st

LIMIT = 1000
CONTENT = st.binary(max_size=50).filter(lambda content: not set(content) & {0x0B, 0x1C})


def feed(framer: Framer, stream: bytes, cuts: list[int] | None = None) -> list[bytes]:
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts or [])})
    return [got for start, end in itertools.pairwise(edges) for got in framer.feed(stream[start:end])]


def test_one_frame_in_one_piece() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(frame(b"MSH|1")) == [b"MSH|1"]
    assert (framer.inside, framer.skipped) == (False, 0)


@pytest.mark.parametrize(
    ("stream", "frames", "skipped"),
    [
        (b"noise" + frame(b"a"), [b"a"], 5),
        (frame(b"a") + b"\r\n" + frame(b"b"), [b"a", b"b"], 0),
        (b"\x0ba\x1c\n\x0bb\x1c\x0bc\x1c\r", [b"a", b"b", b"c"], 0),
        (b"\x0ba\x1cb\x1c\r", [b"a\x1cb"], 0),
        (b"\x0bMSH|gave up\x0bMSH|again\x1c\r", [b"MSH|again"], 11),
        (b"\x0btext\x0bwith VT\x1c\r", [b"text\x0bwith VT"], 0),
        (b"\x0b\x1c\r", [b""], 0),
        (b"\x1c\r\x1c\r", [], 2),
    ],
)
def test_what_is_tolerated(stream: bytes, frames: list[bytes], skipped: int) -> None:
    framer = Framer(LIMIT)
    assert (framer.feed(stream), framer.skipped) == (frames, skipped)
    one_by_one = Framer(LIMIT)
    assert (feed(one_by_one, stream, list(range(len(stream)))), one_by_one.skipped) == (frames, skipped)


def test_a_missing_cr_can_be_waited_for_and_given_up() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0ba\x1c") == []
    assert framer.waits_for_cr
    assert framer.close() == b"a"
    assert framer.feed(b"\r" + frame(b"b")) == [b"b"]
    assert framer.skipped == 0


def test_the_limit_ends_it() -> None:
    for end in (b"", b"\x1c\r"):
        framer = Framer(LIMIT)
        assert framer.feed(frame(b"before") + b"\x0bMSH" + b"x" * LIMIT + end) == [b"before"]
        assert framer.too_long is not None
        assert framer.too_long.startswith(b"MSHxx")
        assert framer.feed(frame(b"after")) == []


def test_garbage_without_a_frame_is_not_collected() -> None:
    framer = Framer(LIMIT)
    for _ in range(50):
        assert framer.feed(b"x" * LIMIT) == []
    assert framer.feed(frame(b"a")) == [b"a"]


@given(st.lists(CONTENT), st.lists(st.integers(min_value=0)))
def test_frames_come_out_whatever_the_pieces(contents: list[bytes], cuts: list[int]) -> None:
    framer = Framer(LIMIT)
    assert feed(framer, b"".join(map(frame, contents)), cuts) == contents
    assert framer.skipped == 0


@given(st.lists(st.binary(max_size=80)), CONTENT)
def test_after_any_garbage_the_next_frame_is_found(pieces: list[bytes], content: bytes) -> None:
    framer = Framer(100_000)
    for piece in pieces:
        framer.feed(piece)
    last = b"MSH|" + content
    assert framer.feed(b"\x1c\r" + frame(last))[-1] == last

"""HL7 messages as no sender should write them: what is in them is cut, doubled, swapped, and filled with what hurts.

`FJ_TEST_MUTANTS` of them are sent to each running door.
"""

import itertools
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

MUTANTS: Final = int(os.environ.get("FJ_TEST_MUTANTS", "150"))
_START: Final = b"\x0b"
_END: Final = b"\x1c\r"

_HURTS: Final = (
    b"",
    b'""',
    b"^",
    b"^^^&&",
    b"~~",
    b"&",
    b"\\",
    b"\\X00\\",
    b"\\F\\\\S\\",
    b"\\.br\\",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\x1b$B",
    "Müller".encode(),
    "山田^太郎".encode(),
    b"x" * 300,
    b"-1",
    b"0",
    b"99999999999999",
    b"20269999",
    b"00000101",
    b"99991231235959+1400",
    b"202603021400-0500",
    b"1.2.840.1",
    b"NW",
    b"ZZ",
    b"ORM^O01",
)
_SETS: Final = (b"", b"ASCII", b"8859/1", b"UNICODE UTF-8", b"~ISO IR87", b"KS X 1001", b"nonsense")


def send_mutants(seeds: Sequence[bytes], own: bytes, send: Callable[[str, bytes], None]) -> None:
    """Give `send` mutants of the seeds, each with the number that `own` and the control id C1 in it are made of."""
    numbers = itertools.count()

    @settings(
        max_examples=MUTANTS,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(seeds))
    def one(raw: bytes) -> None:
        assume(_END not in raw)
        number = f"{next(numbers):05d}"
        mine = number.encode()
        send(number, raw.replace(b"|C1|", b"|C" + mine + b"|").replace(own, own + mine + b"-"))

    one()


def answers(port: int, raw: bytes, times: int = 2) -> list[bytes]:
    """What a door says to a message that is sent several times over one connection (MLLP; HL7 v2.5.1 app. C)."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        return [_answer(connection, raw) for _ in range(times)]


def _answer(connection: socket.socket, raw: bytes) -> bytes:
    connection.sendall(_START + raw + _END)
    answer = b""
    while not answer.endswith(_END):
        more = connection.recv(65536)
        assert more, "the door hung up without an answer"
        answer += more
    return answer[len(_START) : -len(_END)]


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds (lines end with CR) after a few accidents."""

    @st.composite
    def message(draw: st.DrawFn) -> bytes:
        lines = draw(st.sampled_from(seeds)).rstrip(b"\r").split(b"\r")
        for accident in draw(st.lists(st.sampled_from((_field, _field, _segment, _charset)), max_size=4)):
            lines = accident(draw, lines)
        raw = b"\r".join(lines) + b"\r"
        for _ in range(draw(st.integers(0, 2))):
            raw = _bytes(draw, raw)
        return raw

    return message()


def _field(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    """Something else in a field."""
    if not lines:
        return lines
    at = draw(st.integers(0, len(lines) - 1))
    fields = lines[at].split(b"|")
    fields[draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(_HURTS) | st.binary(max_size=8))
    return [*lines[:at], b"|".join(fields), *lines[at + 1 :]]


def _segment(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    """A segment is lost, comes twice, or elsewhere."""
    if not lines:
        return lines
    at, to = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines)))
    rest = [*lines[:at], *lines[at + 1 :]]
    return draw(st.sampled_from((rest, [*rest[:to], lines[at], *rest[to:]], [*lines[:to], lines[at], *lines[to:]])))


def _charset(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    """MSH-18 says something else."""
    head = lines[0].split(b"|") if lines else []
    head += [b""] * (18 - len(head))
    head[17] = draw(st.sampled_from(_SETS))
    return [b"|".join(head), *lines[1:]]


def _bytes(draw: st.DrawFn, raw: bytes) -> bytes:
    """Bytes are lost, or others."""
    at = draw(st.integers(0, len(raw)))
    return raw[:at] + draw(st.binary(max_size=4)) + raw[at + draw(st.integers(0, 6)) :]

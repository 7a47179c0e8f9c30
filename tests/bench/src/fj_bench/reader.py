"""How fast orders are read: ours, the least that an eager reader does, and hl7apy, in one run."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from fj_hl7 import AckCode, Message, ack
from hl7apy.parser import parse_message

from fj_bench.figure import Figure, at_least, shown
from fj_bench.ground import Ground
from fj_bench.orders import an_order

_BAR: Final = 20_000
_FIELDS: Final = {
    "MSH": ((3, 1), (4, 1), (9, 1), (9, 2), (10, 1), (12, 1)),
    "PID": ((3, 1), (3, 4), (3, 5), (5, 1), (5, 2), (7, 1), (8, 1)),
    "ORC": ((1, 1), (2, 1), (2, 2), (3, 1), (5, 1)),
    "TQ1": ((7, 1), (9, 1)),
    "OBR": ((4, 1), (4, 2), (18, 1), (24, 1)),
    "ZDS": ((1, 1),),
}


def measure(_: Ground) -> Iterator[Figure]:
    """Reading without a server."""
    raw = an_order(questions=14, study_instance_uid="1.2.840.1")
    text = raw.decode()
    ours, eager = _rate(_read, raw), _rate(_split, raw)
    peer = _rate(lambda _: parse_message(text, find_groups=False), raw, calls=1)
    yield at_least(f"25 fields of {len(raw):,} bytes", ours, _BAR, note=f"{ours / peer:,.0f} × hl7apy ({peer:,.0f}/s)")
    yield shown("split of all fields, nothing else", eager, note=f"ours is {ours / eager:.2f} × it")
    message = Message.parse(raw)
    yield shown("acknowledge", _rate(lambda _: ack(message, AckCode.AA), raw))


def _read(raw: bytes) -> None:
    """What order intake looks at: 25 fields of 6 segments."""
    message = Message.parse(raw)
    [group] = message.groups()
    for name, places in _FIELDS.items():
        segment = message[name] if name in {"MSH", "PID"} else group[name]
        for field, component in places:
            segment.get(field, component)


def _split(raw: bytes) -> None:
    """The least that any eager reader does."""
    [[field.split("^") for field in line.split("|")] for line in raw.decode().split("\r")]


def _rate(act: Callable[[bytes], object], raw: bytes, calls: int = 50, seconds: float = 2) -> float:
    """Calls a second: the best of many short rounds, of which others on the machine seldom hit all."""
    best, end = float("inf"), time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        for _ in range(calls):
            act(raw)
        best = min(best, time.perf_counter() - start)
    return calls / best

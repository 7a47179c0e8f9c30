"""The directory: in which series an instance is of which only the SOP Instance UID is known.

Storage commitment names instances so (PS3.4 annex J), and a search may. A volume of it lists the instances of many
series as pairs of a fingerprint of the UID and the series, on pages that the first bits of the fingerprint choose. A
page holds the other bits of its fingerprints, in order, and behind them the series, as so many bytes each: some hundred
bytes. Two UIDs may share a fingerprint; the series itself decides.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

BITS: Final = 40
"""Of a fingerprint: with 2,000 million instances one search in 500 looks into a series for nothing."""
ON_A_PAGE: Final = 128
"""Instances, at most twice as many."""
LEAST: Final = 1 << 15
"""Instances of a volume of the first level."""
TOGETHER: Final = 32
"""Volumes of one level that become one of the next."""
LEVELS: Final = 3
AT_ONCE: Final = LEAST * TOGETHER
"""Instances that are held in memory while a volume is made."""

Pair: TypeAlias = tuple[int, int]
"""Fingerprint and series."""


def fingerprint(sop_instance_uid: str) -> int:
    """Of a SOP Instance UID."""
    return int.from_bytes(hashlib.blake2b(sop_instance_uid.encode(), digest_size=BITS // 8).digest(), "big")


@dataclass(frozen=True, slots=True)
class Volume:
    """How a volume is laid out."""

    bits: int
    """Of a fingerprint that say on which page it stands."""
    base: int
    """The least series in it."""
    width: int
    """Bytes of a reference."""

    @classmethod
    def of(cls, instances: int, first: int, last: int) -> "Volume":
        """For so many instances, in series from the first to the last."""
        bits = max(8, (instances // ON_A_PAGE).bit_length())
        return cls(bits, first, max(1, ((last - first).bit_length() + 7) // 8))

    @property
    def last(self) -> int:
        """The greatest series that can stand in it."""
        return self.base + (1 << (8 * self.width)) - 1

    @property
    def _rest(self) -> int:
        """Bytes of what a page holds of a fingerprint."""
        return (BITS - self.bits + 7) // 8

    def page(self, fingerprint: int) -> int:
        """On which page it stands."""
        return fingerprint >> (BITS - self.bits)

    def pages(self, pairs: Iterable[Pair]) -> Iterator[tuple[int, bytes]]:
        """The pages of a volume, from pairs in order."""
        for page, group in groupby(pairs, lambda pair: self.page(pair[0])):
            here = list(group)
            rests = b"".join((mark & self._mask).to_bytes(self._rest, "big") for mark, _ in here)
            yield page, rests + b"".join((series - self.base).to_bytes(self.width, "big") for _, series in here)

    def read(self, page: int, entries: bytes) -> Iterator[Pair]:
        """The pairs on a page."""
        high, rest = page << (BITS - self.bits), self._rest
        for place in range(self._count(entries)):
            mark = int.from_bytes(entries[place * rest : (place + 1) * rest], "big")
            yield high | mark, self._reference(entries, place)

    def series(self, fingerprint: int, entries: bytes) -> Iterator[int]:
        """The series that stand under a fingerprint on its page."""
        rest = self._rest
        wanted = (fingerprint & self._mask).to_bytes(rest, "big")
        end = self._count(entries) * rest
        place = entries.find(wanted, 0, end)
        while place >= 0:
            if place % rest == 0:
                yield self._reference(entries, place // rest)
            place = entries.find(wanted, place + 1, end)

    @property
    def _mask(self) -> int:
        return (1 << (BITS - self.bits)) - 1

    def _count(self, entries: bytes) -> int:
        return len(entries) // (self._rest + self.width)

    def _reference(self, entries: bytes, place: int) -> int:
        begin = self._count(entries) * self._rest + place * self.width
        return self.base + int.from_bytes(entries[begin : begin + self.width], "big")


def slices(instances: int) -> list[tuple[int, int]]:
    """Ranges of fingerprints, end excluded, each with no more instances than are held at once."""
    number = 1 << (max(0, instances - 1) // AT_ONCE).bit_length()
    return [(part * (1 << BITS) // number, (part + 1) * (1 << BITS) // number) for part in range(number)]


def in_order(pairs: Iterable[Pair]) -> Sequence[Pair]:
    """As they stand in a volume, each once."""
    return sorted(set(pairs))

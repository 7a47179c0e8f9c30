"""Which partition a key belongs to."""

import struct
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


@lru_cache(maxsize=4096)
def partition_of(key: str, partitions: int) -> int:
    """The partition that Kafka's default (Java) partitioner would choose."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2 as Kafka's clients have it; aiokafka's own, byte by byte, cost more than all else of an emission."""
    whole = len(data) & ~3
    state = _SEED ^ len(data)
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * _M & _32_BITS
        state = (state * _M & _32_BITS) ^ ((mixed ^ mixed >> 24) * _M & _32_BITS)
    if rest := data[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * _M & _32_BITS
    state = (state ^ state >> 13) * _M & _32_BITS
    return state ^ state >> 15

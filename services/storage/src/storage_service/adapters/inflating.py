"""Deflated data sets, inflated (PS3.5 annex A.5): few bytes can become very many, so there is a bound."""

import zlib
from typing import Final

from storage_service.domain.errors import TooLong, Unreadable

INFLATED_MAX: Final = 512 * 1024 * 1024
"""Bytes of a deflated data set, inflated; more are not taken into memory."""


def inflated(data: bytes | memoryview) -> bytes:
    """The data set, or the beginning of it out of the beginning of the bytes. Raises Unreadable, TooLong."""
    try:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, INFLATED_MAX + 1)
    except zlib.error as error:
        raise Unreadable(f"the data set cannot be inflated: {type(error).__name__}") from None
    if len(found) > INFLATED_MAX:
        raise TooLong(f"the data set is longer than {INFLATED_MAX} bytes when it is inflated")
    return found

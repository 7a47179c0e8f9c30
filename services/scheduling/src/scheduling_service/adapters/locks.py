"""Advisory locks on names, held until the end of the transaction."""

import hashlib
from typing import Final

LOCK: Final = "SELECT pg_advisory_xact_lock(h) FROM unnest($1::bigint[]) AS h"
"""To be given hashes in their order, so that two who want the same names never wait for each other."""


def hashed(name: str) -> int:
    """The number that stands for a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)

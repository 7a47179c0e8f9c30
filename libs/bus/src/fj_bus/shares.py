"""Which relay owns which partition numbers: session advisory locks on the connection that fetches and deletes."""

import random
from typing import Final

from fj_bus.postgres import Connection

_CLASS: Final = 0x666A7265  # "fjre": the locks' first number
_MEMBER: Final = 0  # their second one: 0 is held, shared, by every relay; partition number n is n + 1

_COUNT: Final = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class Shares:
    """The partition numbers of one relay. Its server-side session is the proof of ownership: they end together."""

    def __init__(self, connection: Connection, shards: int) -> None:
        self.owned: set[int] = set()
        self._connection = connection
        self._shards = shards

    async def join(self) -> None:
        """Be counted as a replica."""
        await self._connection.execute("SELECT pg_advisory_lock_shared($1, $2)", _CLASS, _MEMBER)

    async def fair(self) -> int:
        """How many partition numbers each of the living replicas should own at most."""
        members: int = await self._connection.fetchval(_COUNT, _CLASS, _MEMBER)
        return -(-self._shards // max(members, 1))

    async def claim(self, most: int) -> set[int]:
        """Take free partition numbers until `most` are owned. Returns the new ones."""
        free = list(set(range(self._shards)) - self.owned)
        random.shuffle(free)
        taken: set[int] = set()
        for shard in free:
            if len(self.owned) >= most:
                break
            if await self._connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _CLASS, shard + 1):
                taken.add(shard)
                self.owned.add(shard)
        return taken

    async def release(self, shard: int) -> None:
        """Leave a partition number to others."""
        self.owned.discard(shard)
        await self._connection.execute("SELECT pg_advisory_unlock($1, $2)", _CLASS, shard + 1)

    async def leave(self) -> None:
        """Give everything back."""
        for shard in sorted(self.owned):
            await self.release(shard)
        await self._connection.execute("SELECT pg_advisory_unlock_shared($1, $2)", _CLASS, _MEMBER)

"""Storage commitment requests in PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import asyncpg
from fj_bus import Tx
from fj_events import Fact

from ingest_service.domain.commitment import CommitmentRequest, NotKept

_ENTER: Final = (
    "INSERT INTO commitments (transaction_uid, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
)
_READ: Final = "SELECT digest FROM commitments WHERE transaction_uid = $1"


class PostgresCommitments:
    """See `ports.Commitments`. `begin` is the bus's unit of work."""

    def __init__(self, begin: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._begin = begin

    @asynccontextmanager
    async def unit(self) -> AsyncIterator["PostgresCommitmentUnit"]:
        """See `ports.Commitments.unit`."""
        try:
            async with self._begin() as tx:
                yield PostgresCommitmentUnit(tx)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise NotKept(type(error).__name__) from error


class PostgresCommitmentUnit:
    """See `ports.CommitmentUnit`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def enter(self, request: CommitmentRequest) -> bytes | None:
        """See `ports.CommitmentUnit.enter`."""
        if await self._tx.connection.fetchval(_ENTER, request.transaction_uid, request.digest):
            return None
        before: bytes = await self._tx.connection.fetchval(_READ, request.transaction_uid)
        return before

    def emit(self, fact: Fact) -> None:
        """See `ports.CommitmentUnit.emit`."""
        self._tx.emit(fact)

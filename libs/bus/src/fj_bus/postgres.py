"""What the bus needs of asyncpg. Types are quoted: its classes are generic in their stubs alone."""

from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What statements raise when the server goes away. The last: its farewell on an idle connection is taken for an answer,
so that between that and the end of the connection "another operation is in progress"."""

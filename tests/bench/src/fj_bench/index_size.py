"""What a study of 1,000 instances takes in PostgreSQL, in the databases of `ingest` and `storage`: tables and indexes.

Each study is complete and silent, so that what came of it piece by piece has been gathered. Two sizes of the databases,
before and after some studies: what an empty one takes is not counted. Each image has a UID of random digits, which
nothing makes shorter; devices that number their images cost less.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import uvloop
from fj_testing import Log, Services

from fj_bench.arriving import WAIT_S, available, send_all, start
from fj_bench.figure import Figure, at_most, shown
from fj_bench.ground import Ground
from fj_bench.receivers import Peer, write_series

STUDIES: Final = 50
"""So many that the pages with which each table and index begins do not decide."""
SLICES: Final = 1000
SIDE: Final = 16
"""Pixels are no part of it."""
KIB: Final = 1024
BAR_KIB: Final = 100.0
ROOMS: Final = ("ingest", "storage")
LOG_OF_FACTS: Final = "bus"
"""The schema of inbox and outbox: they are emptied again, whatever the archive holds."""
_PIECES: Final = "SELECT EXISTS (SELECT FROM manifest WHERE NOT gathered)"
_SIZES: Final = """
SELECT c.relname, pg_total_relation_size(c.oid) AS size FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
"""


def measure(site: Ground) -> Iterator[Figure]:
    """One installation of both services, filled from the outside."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name, site.services() as services:
        folder = Path(name)
        peer = start(site, services, folder / "journal")
        log = Log(site.stack.kafka(), services.topic_prefix)
        yield from uvloop.run(_measure(services, log, peer, folder))


async def _measure(services: Services, log: Log, peer: Peer, folder: Path) -> list[Figure]:
    before = {room: await _sizes(services.database(room)) for room in ROOMS}
    folders = [folder / str(number) for number in range(STUDIES)]
    for one in folders:
        write_series(one, SLICES, SIDE)
        await available(log, await send_all(peer, [one], 0))
    await _gathered(services.database("storage"))
    grown: dict[str, float] = {}
    tables: dict[str, float] = {}
    for room in ROOMS:
        after = await _sizes(services.database(room))
        for table, size in after.items():
            tables[table] = (size - before[room].get(table, 0)) / STUDIES / KIB
            grown[room] = grown.get(room, 0) + tables[table]
    largest = max(tables, key=lambda table: tables[table])
    note = f"ingest {grown['ingest']:.0f}, storage {grown['storage']:.0f}, of which `{largest}` {tables[largest]:.0f}"
    return [
        at_most(f"PostgreSQL bytes of a study of {SLICES:,} instances", sum(grown.values()), BAR_KIB, " KiB", note),
        shown("of one instance", sum(grown.values()) * KIB / SLICES, " bytes"),
    ]


async def _gathered(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(WAIT_S):
            while await connection.fetchval(_PIECES):
                await asyncio.sleep(1)
    finally:
        await connection.close()


async def _sizes(database: str) -> dict[str, int]:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("VACUUM")  # the space of rows that are gone is not that of what is kept
        return {row["relname"]: row["size"] for row in await connection.fetch(_SIZES, LOG_OF_FACTS)}
    finally:
        await connection.close()

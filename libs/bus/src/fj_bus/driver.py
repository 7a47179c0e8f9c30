"""The driver of held facts: what was woken, replayed, or has waited behind an earlier one goes on here."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog

from fj_bus import held, metrics
from fj_bus.errors import Stranger
from fj_bus.failures import Kind, Pauses, backoff, detail_of, kind_of, name_of
from fj_bus.hints import HELD
from fj_bus.incoming import Incoming, from_row
from fj_bus.postgres import LOST, Connection
from fj_bus.taker import Taker
from fj_bus.work import Work, lock_keys, lock_of

_DUE: Final = """
SELECT topic, key, id, sequence FROM bus.held
WHERE consumer = $1 AND due <= clock_timestamp() AND due < 'infinity' ORDER BY due, id LIMIT $2"""

_STAY: Final = """
UPDATE bus.held SET state = $2, due = coalesce(clock_timestamp() + make_interval(secs => $3::float8), 'infinity'),
                    awaits_kind = $4, awaits_id = $5, error = $6, detail = $7, attempts = $8,
                    since = CASE WHEN state = $2 THEN since ELSE now() END
WHERE id = $1"""

_POSTPONE: Final = """
UPDATE bus.held SET due = clock_timestamp() + make_interval(secs => $2::float8)
WHERE id = $1 AND due <= clock_timestamp()"""

_COUNTS: Final = "SELECT state, count(*) AS count FROM bus.held WHERE consumer = $1 GROUP BY state"
_STATES: Final = ("parked", "behind", "gap", "dead")
_AT_ONCE: Final = 100
_log = structlog.get_logger("fj_bus.driver")


@dataclass(frozen=True, slots=True)
class Stay:
    """Why a held fact goes on being held, and for how long before it is looked at again."""

    state: str
    due_s: float | None
    error: Exception
    attempts: int


class Driver:
    """Drives the held facts of one consumer through its handlers. Drivers of several processes share the work."""

    def __init__(self, taker: Taker) -> None:
        self.gaps = 0
        self.listening = asyncio.Event()
        """Set once no rebuild can begin any more."""
        self._taker = taker
        self._bus = taker.bus
        self._consumer = taker.consumer
        self._nudge = asyncio.Event()
        self._failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop; a lost connection is replaced."""
        pauses = Pauses(self._bus.settings.backoff_first_s, self._bus.settings.backoff_max_s)
        self._bus.hints.driver = self._nudge.set
        stopping = asyncio.create_task(self._nudge_at(stop))
        try:
            while not stop.is_set():
                try:
                    await self._listen(stop)
                except LOST as error:
                    _log.warning("the driver lost its database", error=type(error).__name__)
                    await self._rest(pauses.next())
        finally:
            self._bus.hints.driver = None
            stopping.cancel()

    async def _listen(self, stop: asyncio.Event) -> None:
        async with self._bus.pool.acquire() as connection:
            await connection.add_listener(HELD, self._on_notify)
            try:
                await self._await_rebuild(connection, stop)
                while not stop.is_set():
                    busy = await self.sweep()
                    await self._count(connection)
                    if not busy:
                        await self._rest(self._bus.settings.sweep_s)
            finally:
                connection.terminate()  # the lock and the listener end with its session

    async def _await_rebuild(self, connection: Connection, stop: asyncio.Event) -> None:
        """Keep rebuilds away for as long as this connection lives; one that is on must end first."""
        lock = lock_of("rebuild", self._consumer)
        while not stop.is_set():
            if await connection.fetchval("SELECT pg_try_advisory_lock_shared($1)", lock):
                self.listening.set()
                return
            _log.info("waiting for a rebuild to end", consumer=self._consumer)
            await self._rest(self._bus.settings.sweep_s)

    def _on_notify(self, *_: Any) -> None:
        self._nudge.set()

    async def _nudge_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._nudge.set()

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._nudge.wait(), seconds)
        self._nudge.clear()

    async def sweep(self) -> bool:
        """Drive whatever is due. True if anything was handled, so that there may be more."""
        rows = await self._bus.pool.fetch(_DUE, self._consumer, _AT_ONCE)
        progress = False
        for row in rows:
            try:
                while await self.step(row["topic"], row["key"], None if row["sequence"] is not None else row["id"]):
                    progress = True
            except Exception as error:  # noqa: BLE001 - a transient failure of one key must not keep the others
                self._failures += 1
                metrics.RETRIES.labels(self._consumer, name_of(error)).inc()
                _log.info("a held fact could not be driven", topic=row["topic"], error=name_of(error))
                await self._postpone(row["id"])
            else:
                self._failures = 0
        return progress

    async def _postpone(self, id_: int) -> None:
        """Let others go first, after a transient failure."""
        pause = backoff(self._failures, self._bus.settings.backoff_first_s, self._bus.settings.backoff_max_s)
        await self._bus.pool.execute(_POSTPONE, id_, pause)

    async def step(self, topic: str, key: str, unplaced: int | None = None) -> bool:
        """Try the first held fact of a key, if it is due. True if it went away and the next one may follow.

        `unplaced` is the id of a dead letter whose envelope could not be read.
        """
        async with asyncio.timeout(self._bus.settings.slice_seconds_max):
            async with self._bus.pool.acquire() as connection, connection.transaction():
                await lock_keys(connection, self._consumer, topic, [key])
                row = await self._row(connection, topic, key, unplaced)
                if row is None or not row["is_due"]:
                    return False
                fact = from_row(self._bus, self._taker.handlers, row)
                work = await self._try(connection, row, fact)
                if work is not None:
                    await held.done(connection, row)
                    await work.finish()
        if work is None:
            return False
        self._bus.finished(work)
        metrics.FACTS.labels(self._consumer, fact.topic, fact.label, "driven").inc()
        return True

    async def _row(self, connection: Connection, topic: str, key: str, unplaced: int | None) -> asyncpg.Record | None:
        if unplaced is None:
            return await held.head(connection, self._consumer, topic, key)
        return await connection.fetchrow(
            "SELECT *, due <= clock_timestamp() AS is_due FROM bus.held WHERE id = $1 FOR UPDATE", unplaced
        )

    async def _try(self, connection: Connection, row: asyncpg.Record, fact: Incoming) -> Work | None:
        """The work of a fact that was handled; None when it stays. Raises transient failures."""
        try:
            outcome = await self._taker.attempt(connection, fact)
        except Exception as error:
            if kind_of(error) is Kind.TRANSIENT:
                raise
            await self._failed(connection, row, fact, error)
            return None
        if isinstance(outcome, Work):
            return outcome
        if self._waited_s(row) >= self._bus.settings.park_s_max:
            await self._bury(connection, row, fact, outcome, row["attempts"] + 1)
        else:
            look = max(self._bus.settings.park_look_s, self._waited_s(row))
            await self._stay(connection, row, Stay("parked", look, outcome, row["attempts"] + 1))
        return None

    async def _failed(self, connection: Connection, row: asyncpg.Record, fact: Incoming, error: Exception) -> None:
        settings, attempts = self._bus.settings, row["attempts"] + 1
        if kind_of(error) is Kind.UNKNOWN and attempts < settings.tries:
            pause = backoff(attempts, settings.backoff_first_s, settings.backoff_max_s)
            await self._stay(connection, row, Stay(row["state"], pause, error, attempts))
        else:
            await self._bury(connection, row, fact, error, attempts)

    async def _bury(
        self, connection: Connection, row: asyncpg.Record, fact: Incoming, error: Exception, attempts: int
    ) -> None:
        death = held.Death(error, attempts, row["first_seen"])
        await self._stay(connection, row, Stay("dead", None, error, attempts))
        await held.publish_dead(connection, self._bus, self._consumer, fact, death)
        self._bus.hints.committed({0}, woke=False)

    async def _stay(self, connection: Connection, row: asyncpg.Record, stay: Stay) -> None:
        error = stay.error
        awaits = (error.kind, error.id) if isinstance(error, Stranger) else (None, None)
        args = (stay.state, stay.due_s, *awaits, name_of(error), detail_of(error), stay.attempts)
        await connection.execute(_STAY, row["id"], *args)

    @staticmethod
    def _waited_s(row: asyncpg.Record) -> float:
        since: datetime = row["since"]
        return (datetime.now(UTC) - since).total_seconds()

    async def _count(self, connection: Connection) -> None:
        counts = {row["state"]: row["count"] for row in await connection.fetch(_COUNTS, self._consumer)}
        for state in _STATES:
            metrics.HELD.labels(self._consumer, state).set(counts.get(state, 0))
        self.gaps = counts.get("gap", 0)

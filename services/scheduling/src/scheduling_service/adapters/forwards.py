"""The table `forward`: what modalities said and others are to hear."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from fj_bus import Tx
from fj_events import WorkSettledAs

from scheduling_service.domain.forward import (
    Forward,
    ForwardOverview,
    ForwardState,
    Operation,
    Report,
    Result,
    Verdict,
    given_up,
    settled,
)

if TYPE_CHECKING:
    from asyncpg import Record
    from fj_runtime.database import Pool

LEASE: Final = timedelta(minutes=3)
"""Longer than any attempt takes: whoever claimed a message and died is followed by another one after it."""
_KEEP: Final = """
INSERT INTO forward (destination, sop_instance_uid, operation, transfer_syntax, content) VALUES ($1, $2, $3, $4, $5)
"""
_CLAIM: Final = """
UPDATE forward SET due_at = $3, attempts = attempts + 1
 WHERE forward_id = (
    SELECT forward_id FROM forward f
     WHERE destination = $1 AND state = 'WAITING' AND due_at <= $2
       AND NOT EXISTS (SELECT FROM forward e WHERE e.destination = f.destination AND e.state = 'WAITING'
                          AND e.sop_instance_uid = f.sop_instance_uid AND e.forward_id < f.forward_id)
     ORDER BY due_at, forward_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING forward_id, destination, sop_instance_uid, operation, transfer_syntax, content, begun_at, attempts, refusals
"""
# With the site of the performed step, and the exam that it was for.
_OVERVIEW: Final = """forward_id, destination, operation, sop_instance_uid, state, received_at, due_at, closed_at,
    attempts, last_error, actor,
    coalesce((SELECT p.performed ->> 'site' FROM performed_step p
               WHERE p.sop_instance_uid = forward.sop_instance_uid), 'MAIN') AS site,
    (SELECT min(p.exam_key) FROM exam_performed p WHERE p.sop_instance_uid = forward.sop_instance_uid) AS exam_key"""
_ENDED: Final = f"""
UPDATE forward SET state = $2, due_at = $3, refusals = $4, last_error = nullif($5, ''),
       closed_at = CASE WHEN $2 = 'WAITING' THEN NULL ELSE now() END
 WHERE forward_id = $1 AND state = 'WAITING' RETURNING {_OVERVIEW}
"""
_HOLD_BACK: Final = "UPDATE forward SET due_at = $2 WHERE destination = $1 AND state = 'WAITING' AND due_at < $2"
_GIVE_UP: Final = f"""
UPDATE forward SET state = 'FAILED', due_at = NULL, closed_at = now(), last_error = 'the destination wants no MPPS now'
 WHERE state = 'WAITING' AND destination <> ALL($1::text[]) AND begun_at < $2 RETURNING {_OVERVIEW}
"""
_FORGET: Final = f"""
DELETE FROM forward WHERE state <> 'WAITING' AND closed_at < now() - make_interval(days => $1) RETURNING {_OVERVIEW}
"""
_NEWEST: Final = f"""
SELECT {_OVERVIEW} FROM forward
 WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR destination = $2)
 ORDER BY forward_id DESC LIMIT $3
"""
_REPEAT: Final = f"""
UPDATE forward SET state = 'WAITING', due_at = now(), begun_at = now(), attempts = 0, refusals = 0, closed_at = NULL,
       actor = $2
 WHERE forward_id = $1 AND state <> 'WAITING' RETURNING {_OVERVIEW}
"""
_CANCEL: Final = f"""
UPDATE forward SET state = 'CANCELLED', due_at = NULL, closed_at = now(), actor = $2
 WHERE forward_id = $1 AND state IN ('WAITING', 'FAILED') RETURNING {_OVERVIEW}
"""


class PostgresForwards:
    """See `scheduling_service.ports.Forwards`."""

    def __init__(self, tx: Tx) -> None:
        self._connection = tx.connection

    async def keep(self, destination: str, report: Report) -> None:
        said = (report.sop_instance_uid, report.operation, report.transfer_syntax, report.content)
        await self._connection.execute(_KEEP, destination, *said)


class PostgresForwardsBook:
    """See `scheduling_service.ports.ForwardsBook`, and what operators need."""

    def __init__(self, pool: "Pool", unit: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def claim(self, destination: str, now: datetime) -> Forward | None:
        row = await self._pool.fetchrow(_CLAIM, destination, now, now + LEASE)
        return None if row is None else _forward(row)

    async def ended(self, forward: Forward, result: Result, verdict: Verdict) -> None:
        ended = (forward.forward_id, verdict.state, verdict.due_at, verdict.refusals, result.trouble)
        async with self._unit() as tx:
            row = await tx.connection.fetchrow(_ENDED, *ended)
            if row is not None and verdict.state is ForwardState.FAILED:
                tx.emit(given_up(_overview(row)))

    async def hold_back(self, destination: str, until: datetime) -> None:
        await self._pool.execute(_HOLD_BACK, destination, until)

    async def give_up(self, served: Collection[str], before: datetime) -> None:
        async with self._unit() as tx:
            for row in await tx.connection.fetch(_GIVE_UP, list(served), before):
                tx.emit(given_up(_overview(row)))

    async def newest(self, state: ForwardState | None, destination: str | None, limit: int) -> list[ForwardOverview]:
        return [_overview(row) for row in await self._pool.fetch(_NEWEST, state, destination, limit)]

    async def read(self, forward_id: int) -> ForwardOverview | None:
        row = await self._pool.fetchrow(f"SELECT {_OVERVIEW} FROM forward WHERE forward_id = $1", forward_id)
        return _overview(row) if row else None

    async def repeat(self, forward_id: int, actor: str, reason: str | None) -> ForwardOverview | None:
        return await self._settle(_REPEAT, forward_id, actor, WorkSettledAs.REPEATED, reason)

    async def cancel(self, forward_id: int, actor: str, reason: str | None) -> ForwardOverview | None:
        return await self._settle(_CANCEL, forward_id, actor, WorkSettledAs.CANCELLED, reason)

    async def _settle(
        self, sql: str, forward_id: int, actor: str, settled_as: WorkSettledAs, reason: str | None
    ) -> ForwardOverview | None:
        async with self._unit() as tx:
            row = await tx.connection.fetchrow(sql, forward_id, actor)
            if row is None:
                return None
            forward = _overview(row)
            tx.emit(settled(forward, settled_as, reason))
        return forward


async def forget(unit: Callable[[], AbstractAsyncContextManager[Tx]], days: int) -> None:
    """Forget what was closed so many days ago; of what was given up nobody is asked any more."""
    async with unit() as tx:
        for row in await tx.connection.fetch(_FORGET, days):
            if row["state"] == ForwardState.FAILED:
                forgotten = replace(_overview(row), actor=None)
                tx.emit(settled(forgotten, WorkSettledAs.CANCELLED, "forgotten: nobody said anything"))


def _forward(row: "Record") -> Forward:
    report = Report(
        operation=Operation(row["operation"]),
        sop_instance_uid=row["sop_instance_uid"],
        transfer_syntax=row["transfer_syntax"],
        content=row["content"],
    )
    return Forward(
        forward_id=row["forward_id"],
        destination=row["destination"],
        report=report,
        begun_at=row["begun_at"],
        attempts=row["attempts"],
        refusals=row["refusals"],
    )


def _overview(row: "Record") -> ForwardOverview:
    return ForwardOverview(**{**row, "operation": Operation(row["operation"]), "state": ForwardState(row["state"])})

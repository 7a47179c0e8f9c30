"""What is to be sent to whom, in PostgreSQL: a ledger that survives restarts."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx
from fj_events import WorkSettledAs

from storage_service.adapters.sql import Database, Pool, Row
from storage_service.domain import given_up
from storage_service.domain.routing import Routable, Send, SendKind, SendOverview, SendResult, SendState, Verdict

_MARK: Final = "INSERT INTO routing (study_instance_uid) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING"
_MARKED: Final = """
DELETE FROM routing WHERE study_instance_uid = (
    SELECT study_instance_uid FROM routing ORDER BY marked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING study_instance_uid
"""
_ROUTABLE: Final = """
SELECT r.study_instance_uid, r.site, s.modalities, coalesce(s.study_description, '') AS description,
       coalesce(r.calling_ae_title, '') AS calling_ae_title
  FROM study_route r JOIN study s USING (study_instance_uid, study_date) WHERE r.study_instance_uid = $1
"""
_BEFORE: Final = """
SELECT send_id, state FROM send WHERE study_instance_uid = $1 AND destination = $2 AND kind = $3 FOR UPDATE
"""
# What was sent is due again for what has come since; what an operator has cancelled stays so.
_PUT: Final = """
INSERT INTO send (study_instance_uid, destination, kind, reason, state, due_at)
VALUES ($1, $2, $3, $4, 'WAITING', now())
ON CONFLICT (study_instance_uid, destination, kind) DO UPDATE
   SET state = 'WAITING', due_at = CASE WHEN send.state = 'WAITING' THEN send.due_at ELSE now() END,
       begun_at = CASE WHEN send.state = 'WAITING' THEN send.begun_at ELSE now() END,
       attempts = CASE WHEN send.state = 'WAITING' THEN send.attempts ELSE 0 END,
       again = send.state = 'WAITING', closed_at = NULL
 WHERE send.state <> 'CANCELLED'
"""
_CLAIM: Final = """
UPDATE send SET due_at = $1 + interval '3 minutes', attempts = attempts + 1, again = false
 WHERE send_id = (SELECT send_id FROM send WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING send_id, study_instance_uid, destination, kind, begun_at, attempts, sent
"""
# An operator's cancel during the attempt stands; a study that grew during it is looked at again.
_ENDED: Final = """
UPDATE send
   SET sent = ARRAY(SELECT unnest(sent) UNION SELECT unnest($2::text[])), last_error = nullif($3, ''),
       state = CASE WHEN state = 'CANCELLED' THEN state WHEN again THEN 'WAITING' ELSE $4 END,
       due_at = CASE WHEN state = 'CANCELLED' THEN NULL WHEN again THEN now() ELSE $5 END,
       closed_at = CASE WHEN state <> 'CANCELLED' AND NOT again AND $4 <> 'WAITING' THEN now() ELSE closed_at END
 WHERE send_id = $1 RETURNING state
"""
_OVERVIEW: Final = """
send_id, study_instance_uid, destination, kind, reason, state, created_at, due_at, closed_at, attempts, last_error,
       cardinality(sent) AS instances_sent"""
_SITE: Final = "SELECT site FROM study_route WHERE study_instance_uid = $1"
_NEWEST: Final = f"""
SELECT {_OVERVIEW} FROM send
 WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR study_instance_uid = $2)
 ORDER BY send_id DESC LIMIT $3
"""
_REPEAT: Final = f"""
UPDATE send SET state = 'WAITING', due_at = now(), begun_at = now(), attempts = 0, closed_at = NULL, reason = $2,
       again = due_at IS NOT NULL, sent = CASE WHEN $3 THEN '{{}}' ELSE sent END
 WHERE send_id = $1 RETURNING {_OVERVIEW}
"""
_CANCEL: Final = f"""
UPDATE send SET state = 'CANCELLED', due_at = NULL, closed_at = now(), reason = $2
 WHERE send_id = $1 AND state IN ('WAITING', 'FAILED') RETURNING {_OVERVIEW}
"""


class PostgresSends:
    """See `storage_service.ports.sends.Sends` and `SendBook`."""

    def __init__(self, pool: Pool, unit: Callable[..., AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def route(self, routes: Callable[[Routable], Iterable[tuple[str, SendKind, str]]]) -> bool:
        async with self._unit() as tx:
            uid = await tx.connection.fetchval(_MARKED)
            if uid is None:
                return False
            row = await tx.connection.fetchrow(_ROUTABLE, uid)
            if row is not None:
                study = Routable(**{**row, "modalities": tuple(row["modalities"])})
                for destination, kind, why in routes(study):
                    await _put(tx, uid, destination, kind, why)
            return True

    async def claim(self, now: datetime) -> Send | None:
        row = await self._pool.fetchrow(_CLAIM, now)
        if row is None:
            return None
        return Send(**{**row, "kind": SendKind(row["kind"]), "sent": frozenset(row["sent"])})

    async def renew(self, send: Send, now: datetime) -> None:
        sql = "UPDATE send SET due_at = $2 + interval '3 minutes' WHERE send_id = $1 AND state = 'WAITING'"
        await self._pool.execute(sql, send.send_id, now)

    async def ended(self, send: Send, result: SendResult, verdict: Verdict) -> None:
        taken = list(result.taken)
        async with self._unit() as tx:
            ended = (send.send_id, taken, result.trouble, verdict.state, verdict.due_at)
            if await tx.connection.fetchval(_ENDED, *ended) == SendState.FAILED:
                work = await _work(tx, send)
                tx.emit(work.given_up(result.trouble))

    async def newest(self, state: SendState | None, study_instance_uid: str | None, limit: int) -> list[SendOverview]:
        return [_overview(row) for row in await self._pool.fetch(_NEWEST, state, study_instance_uid, limit)]

    async def read(self, send_id: int) -> SendOverview | None:
        row = await self._pool.fetchrow(f"SELECT {_OVERVIEW} FROM send WHERE send_id = $1", send_id)
        return _overview(row) if row else None

    async def put(self, study_instance_uid: str, destination: str, actor: str) -> list[SendOverview]:
        async with self._unit(actor) as tx:
            await _put(tx, study_instance_uid, destination, SendKind.INSTANCES, f"asked by {actor}")
        return await self.newest(None, study_instance_uid, 100)

    async def repeat(
        self, send_id: int, actor: str, reason: str | None = None, *, everything: bool
    ) -> SendOverview | None:
        async with self._unit(actor) as tx:
            row = await tx.connection.fetchrow(_REPEAT, send_id, f"repeated by {actor}", everything)
            return await _settled(tx, row, WorkSettledAs.REPEATED, reason)

    async def cancel(self, send_id: int, actor: str, reason: str | None = None) -> SendOverview | None:
        async with self._unit(actor) as tx:
            row = await tx.connection.fetchrow(_CANCEL, send_id, f"cancelled by {actor}")
            return await _settled(tx, row, WorkSettledAs.CANCELLED, reason)


async def mark(db: Database, study_instance_uids: Sequence[str]) -> None:
    """These studies are available or have grown: the rules are to be looked at, once that has committed."""
    await db.execute(_MARK, list(study_instance_uids))


async def _put(tx: Tx, uid: str, destination: str, kind: SendKind, why: str) -> None:
    """Due, unless somebody has cancelled it; one that was given up is tried again, and needs nobody any more."""
    before = await tx.connection.fetchrow(_BEFORE, uid, destination, kind)
    await tx.connection.execute(_PUT, uid, destination, kind, why)
    if before is not None and before["state"] == SendState.FAILED:
        site = await tx.connection.fetchval(_SITE, uid)
        work = given_up.of_send(before["send_id"], kind, destination, uid, site or "MAIN")
        tx.emit(work.settled(WorkSettledAs.REPEATED, None, why))


async def _settled(tx: Tx, row: "Row | None", settled_as: WorkSettledAs, reason: str | None) -> SendOverview | None:
    if row is None:
        return None
    send = _overview(row)
    work = await _work(tx, send)
    tx.emit(work.settled(settled_as, None, reason))
    return send


async def _work(tx: Tx, send: Send | SendOverview) -> given_up.Work:
    site = await tx.connection.fetchval(_SITE, send.study_instance_uid)
    return given_up.of_send(send.send_id, send.kind, send.destination, send.study_instance_uid, site or "MAIN")


def _overview(row: Row) -> SendOverview:
    return SendOverview(**{**row, "kind": SendKind(row["kind"]), "state": SendState(row["state"])})

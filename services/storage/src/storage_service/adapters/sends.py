"""What is to be sent to whom, in PostgreSQL: a ledger that survives restarts."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from storage_service.adapters.sql import Database, Pool, Row
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
 WHERE send_id = $1
"""
_OVERVIEW: Final = """
send_id, study_instance_uid, destination, kind, reason, state, created_at, due_at, closed_at, attempts, last_error,
       cardinality(sent) AS instances_sent"""
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
 WHERE send_id = $1 AND state = 'WAITING' RETURNING {_OVERVIEW}
"""


class PostgresSends:
    """See `storage_service.ports.sends.Sends` and `SendBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def route(self, routes: Callable[[Routable], Iterable[tuple[str, SendKind, str]]]) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            uid = await connection.fetchval(_MARKED)
            if uid is None:
                return False
            row = await connection.fetchrow(_ROUTABLE, uid)
            if row is not None:
                study = Routable(**{**row, "modalities": tuple(row["modalities"])})
                for destination, kind, why in routes(study):
                    await connection.execute(_PUT, uid, destination, kind, why)
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
        await self._pool.execute(_ENDED, send.send_id, taken, result.trouble, verdict.state, verdict.due_at)

    async def newest(self, state: SendState | None, study_instance_uid: str | None, limit: int) -> list[SendOverview]:
        return [_overview(row) for row in await self._pool.fetch(_NEWEST, state, study_instance_uid, limit)]

    async def put(self, study_instance_uid: str, destination: str, why: str) -> list[SendOverview]:
        await self._pool.execute(_PUT, study_instance_uid, destination, SendKind.INSTANCES, why)
        return await self.newest(None, study_instance_uid, 100)

    async def repeat(self, send_id: int, why: str, *, everything: bool) -> SendOverview | None:
        row = await self._pool.fetchrow(_REPEAT, send_id, why, everything)
        return _overview(row) if row else None

    async def cancel(self, send_id: int, why: str) -> SendOverview | None:
        row = await self._pool.fetchrow(_CANCEL, send_id, why)
        return _overview(row) if row else None


async def mark(db: Database, study_instance_uids: Sequence[str]) -> None:
    """These studies are available or have grown: the rules are to be looked at, once that has committed."""
    await db.execute(_MARK, list(study_instance_uids))


def _overview(row: Row) -> SendOverview:
    return SendOverview(**{**row, "kind": SendKind(row["kind"]), "state": SendState(row["state"])})

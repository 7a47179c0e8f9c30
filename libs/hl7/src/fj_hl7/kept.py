"""The messages that doors have taken or refused, to be found, opened, and tried again after a fix."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fj_hl7.receipt import Connection, Key
from fj_hl7.seal import Seal

_COLUMNS: Final = "control_id, sender, digest, kind, peer, received_at"
# $1 control id, $2 application, $3 facility (each null: any), $4 and $5 from and until.
_WHERE: Final = """
WHERE ($1::text IS NULL OR control_id = $1) AND ($2::text IS NULL OR split_part(sender, E'\\t', 1) = $2)
  AND ($3::text IS NULL OR split_part(sender, E'\\t', 2) = $3)
  AND ($4::timestamptz IS NULL OR received_at >= $4) AND ($5::timestamptz IS NULL OR received_at < $5)
"""
_RECEIVED: Final = f"""
SELECT {_COLUMNS}, 'AA' AS code, '[]' AS errors, 1 AS times, NULL::text AS settled_as, NULL::text AS settled_by
FROM hl7_received {_WHERE} ORDER BY received_at DESC LIMIT $6
"""
_REFUSED: Final = f"""
SELECT {_COLUMNS}, code, errors, times, settled_as, settled_by
FROM hl7_refused {_WHERE} ORDER BY received_at DESC LIMIT $6
"""
_WAITING: Final = f"""
SELECT {_COLUMNS}, code, errors, times, settled_as, settled_by
FROM hl7_refused {_WHERE} AND settled_at IS NULL ORDER BY first_at, digest LIMIT $6
"""
_OPEN: Final = f"""
SELECT {_COLUMNS}, 'AA' AS code, '[]' AS errors, 1 AS times, NULL AS settled_as, NULL AS settled_by, answer, raw, sealed
FROM hl7_received WHERE control_id = $1 AND digest = $2
UNION ALL
SELECT {_COLUMNS}, code, errors, times, settled_as, settled_by, answer, raw, sealed
FROM hl7_refused WHERE control_id = $1 AND digest = $2
LIMIT 1
"""
_LOOK: Final = "INSERT INTO hl7_looks (actor, act, control_id, sender, digest) VALUES ($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which messages. What is None is any; without a control id the last hour, unless `since` says otherwise."""

    control_id: str | None = None
    application: str | None = None
    facility: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100

    def arguments(self, hours: int | None = 1) -> tuple[Any, ...]:
        """For the statements; `hours`: how far back it goes where nothing else bounds it."""
        since = self.since
        if since is None and self.control_id is None and hours is not None:
            since = datetime.now(UTC) - timedelta(hours=hours)
        return self.control_id, self.application, self.facility, since, self.until, self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One message that is kept, without its content."""

    key: Key
    kind: str
    peer: str
    received_at: datetime
    code: str
    """MSA-1 of its answer."""
    errors: tuple[tuple[str, str, int, int], ...]
    """Code, segment, its number, field of each ERR."""
    times: int
    settled_as: str | None
    settled_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One message with its content."""

    kept: Kept
    raw: bytes
    answer: bytes


class Archive:
    """Reads what the ledger has kept."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def find(self, connection: Connection, search: Search, *, refused_only: bool = False) -> list[Kept]:
        """The newest first."""
        rows = await connection.fetch(_REFUSED, *search.arguments(None if refused_only else 1))
        if not refused_only:
            rows = [*rows, *await connection.fetch(_RECEIVED, *search.arguments())]
        found = sorted(map(_kept, rows), key=lambda kept: kept.received_at, reverse=True)
        return found[: search.limit]

    async def waiting(self, connection: Connection, search: Search) -> list[Kept]:
        """Refused messages that nobody has settled, in the order in which they came first."""
        return [_kept(row) for row in await connection.fetch(_WAITING, *search.arguments(None))]

    async def open(self, connection: Connection, control_id: str, digest: bytes) -> Opened | None:
        """One message with its content; None where it is not kept (any more). Raises CannotOpen."""
        row = await connection.fetchrow(_OPEN, control_id, digest)
        if row is None:
            return None
        raw = self._seal.open(row["raw"], digest) if row["sealed"] else row["raw"]
        return Opened(kept=_kept(row), raw=raw, answer=row["answer"])

    async def note(self, connection: Connection, actor: str, act: str, keys: Sequence[Key]) -> None:
        """Who did what with which messages."""
        for key in keys:
            await connection.execute(_LOOK, actor, act, *key)


def _kept(row: Any) -> Kept:
    return Kept(
        key=Key(row["control_id"], row["sender"], row["digest"]),
        kind=row["kind"],
        peer=row["peer"],
        received_at=row["received_at"],
        code=row["code"],
        errors=tuple((code, segment, sequence, field) for code, segment, sequence, field in json.loads(row["errors"])),
        times=row["times"],
        settled_as=row["settled_as"],
        settled_by=row["settled_by"],
    )

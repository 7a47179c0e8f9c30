"""Messages that come in several parts (HL7 v2.5.1 ch. 2.10.2.2): DSC-1 of a part is MSH-14 of the one that follows it.

A part that is acknowledged is kept by the ledger like any message; which of them make up a message that is not yet
whole stands in a table beside it. The last part takes the whole message, in the transaction that acknowledges it.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from fj_hl7.errors import AckCode, ErrorCode, Hl7Error, Refusal
from fj_hl7.message import Message
from fj_hl7.receipt import Connection, Key, Receipt
from fj_hl7.seal import Seal

PARTS_MAX: Final = 100
BYTES_MAX: Final = 16 * 1024 * 1024
"""Of all parts together: as much as a message in one piece may have."""
WAIT: Final = timedelta(hours=1)
"""How long a message waits for its next part."""
INCOMPLETE: Final = Hl7Error("the message did not become whole", ErrorCode.SEGMENT_SEQUENCE_ERROR, "DSC", 1, 1)
_POINTER_MAX: Final = 180

_BEGIN: Final = """
INSERT INTO hl7_unfinished (sender, pointer, control_ids, digests, bytes)
VALUES ($1, $2, ARRAY[$3::text], ARRAY[$4::bytea], $5)
"""
_GO_ON: Final = """
UPDATE hl7_unfinished
   SET pointer = $3, control_ids = control_ids || $4::text, digests = digests || $5::bytea, bytes = bytes + $6,
       touched_at = now()
 WHERE sender = $1 AND pointer = $2
RETURNING bytes, cardinality(digests) AS parts
"""
_FINISH: Final = """
DELETE FROM hl7_unfinished WHERE sender = $1 AND pointer = $2 RETURNING sender, control_ids, digests, bytes
"""
_GIVE_UP: Final = "DELETE FROM hl7_unfinished WHERE touched_at < $1 RETURNING sender, control_ids, digests"
_PARTS: Final = """
SELECT r.digest, r.raw, r.sealed
  FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS k (control_id, digest, nth)
  JOIN hl7_received AS r ON r.control_id = k.control_id AND r.sender = $1 AND r.digest = k.digest
 ORDER BY k.nth
"""
# What was acknowledged is not thrown away: it goes to the refused ones, and the same bytes are new if they come again.
_REFUSE: Final = """
WITH gone AS (
    DELETE FROM hl7_received AS r USING unnest($2::text[], $3::bytea[]) AS k (control_id, digest)
     WHERE r.control_id = k.control_id AND r.sender = $1 AND r.digest = k.digest
    RETURNING r.control_id, r.sender, r.digest, r.answer, r.raw, r.kind, r.peer, r.sealed, r.received_at
)
INSERT INTO hl7_refused (control_id, sender, digest, answer, raw, kind, peer, sealed, code, errors, first_at)
SELECT control_id, sender, digest, answer, raw, kind, peer, sealed, $4, $5, received_at FROM gone
ON CONFLICT (control_id, sender, digest)
DO UPDATE SET received_at = now(), times = hl7_refused.times + 1, code = excluded.code, errors = excluded.errors,
    settled_at = NULL, settled_as = NULL, settled_by = NULL
RETURNING control_id, sender, digest, answer, raw, kind, peer, sealed
"""
_Row: TypeAlias = Any


def joined(parts: Sequence[bytes]) -> bytes:
    """The message that its parts make up: that of the first one, with what the others have behind their MSH.

    A segment that goes on in the next part ends in an ADD there and here, which the reader joins (ch. 2.10.2.1).
    """
    lines: list[bytes] = []
    for part in parts:
        head, *rest = _lines(part)
        lines += rest if lines else (head, *rest)
    return b"\r".join(lines) + b"\r"


class Parts:
    """Which parts are here, inside the caller's transaction."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def keep(self, connection: Connection, receipt: Receipt, part: Message) -> list[Receipt]:
        """Keep a part that another one follows. Raises Refusal.

        Returns what can no more become whole: parts of an older message whose pointer its sender uses again.
        """
        key, after, pointer = receipt.key, part.continues, part.continued_by
        if max(len(after), len(pointer)) > _POINTER_MAX:
            raise _refused(f"a continuation pointer has at most {_POINTER_MAX} characters", ErrorCode.DATA_TYPE_ERROR)
        displaced = [] if after == pointer else await connection.fetch(_FINISH, key.sender, pointer)
        if not after:
            await connection.execute(_BEGIN, key.sender, pointer, key.control_id, key.digest, len(receipt.raw))
        else:
            size = len(receipt.raw)
            row = await connection.fetchrow(_GO_ON, key.sender, after, pointer, key.control_id, key.digest, size)
            if row is None:
                raise _unknown()
            _check(row["parts"], row["bytes"])
        return await self._refuse(connection, displaced)

    async def finish(self, connection: Connection, receipt: Receipt, last: Message) -> bytes:
        """The whole message of which this is the last part. Raises Refusal."""
        row = await connection.fetchrow(_FINISH, receipt.key.sender, last.continues)
        if row is None:
            raise _unknown()
        _check(len(row["digests"]) + 1, row["bytes"] + len(receipt.raw))
        kept = await connection.fetch(_PARTS, row["sender"], row["control_ids"], row["digests"])
        if len(kept) != len(row["digests"]):
            raise _unknown()
        return joined([*(self._opened(each) for each in kept), receipt.raw])

    async def give_up(self, connection: Connection, wait: timedelta = WAIT) -> list[Receipt]:
        """Count as refused what has waited too long for its next part. Returns those parts."""
        return await self._refuse(connection, await connection.fetch(_GIVE_UP, datetime.now(UTC) - wait))

    async def _refuse(self, connection: Connection, unfinished: Sequence[_Row]) -> list[Receipt]:
        told = json.dumps([[INCOMPLETE.code, INCOMPLETE.segment, INCOMPLETE.sequence, INCOMPLETE.field]])
        refused: list[Receipt] = []
        for row in unfinished:
            keys = (row["sender"], row["control_ids"], row["digests"])
            for each in await connection.fetch(_REFUSE, *keys, AckCode.AE.value, told):
                key = Key(each["control_id"], each["sender"], each["digest"])
                refused.append(Receipt(key, self._opened(each), each["answer"], each["kind"], each["peer"]))
        return refused

    def _opened(self, row: _Row) -> bytes:
        raw: bytes = row["raw"]
        return self._seal.open(raw, row["digest"]) if row["sealed"] else raw


def _lines(part: bytes) -> list[bytes]:
    """The segments, without DSC. Where CR ends them, a lone LF is text."""
    body = part.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\x0b\x00")
    lines = body.replace(b"\r\n", b"\r").split(b"\r") if b"\r" in body else body.split(b"\n")
    return [line for line in lines if line and line[:3] != b"DSC"]


def _check(parts: int, size: int) -> None:
    if parts > PARTS_MAX or size > BYTES_MAX:
        text = f"a message has at most {PARTS_MAX} parts and {BYTES_MAX // 1024 // 1024} MiB"
        raise _refused(text, ErrorCode.SEGMENT_SEQUENCE_ERROR)


def _unknown() -> Refusal:
    return _refused("no part is here that goes on with this pointer", ErrorCode.UNKNOWN_KEY_IDENTIFIER)


def _refused(text: str, code: ErrorCode) -> Refusal:
    return Refusal(AckCode.AE, Hl7Error(text, code, "MSH", 1, 14))

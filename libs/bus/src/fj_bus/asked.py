"""`Idempotency-Key`: who had no answer asks again, and it is done once (draft-ietf-httpapi-idempotency-key-header).

What the inbox is to facts, this is to changing HTTP calls.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias
from uuid import UUID, uuid4, uuid5

from fastapi import Depends, Header, HTTPException, Request, status

from fj_bus.tx import Tx

_NAMESPACE: Final = UUID("3c2e6a2e-7c63-4d0e-9a4f-0c5b8a1d7e21")
_KEEP: Final = "INSERT INTO bus.asked (call_id, fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_KEPT: Final = "SELECT fingerprint FROM bus.asked WHERE call_id = $1"
_REUSED: Final = "This Idempotency-Key was used before, for another request"

Key: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The caller's own for each request, a UUID for instance: asked for again under it, it is done once",
    ),
]


@dataclass(frozen=True, slots=True)
class Call:
    """A changing call, by the key that its sender gave it; one without a key is always a new one."""

    key: str | None
    fingerprint: bytes
    """Of method, address and body; empty without a key."""

    def id(self, actor: str) -> UUID:
        """The same each time that this person or program asks under this key: for what the call makes."""
        return uuid5(_NAMESPACE, f"{actor}\n{self.key}") if self.key else uuid4()

    async def is_new(self, tx: Tx, actor: str) -> bool:
        """Keep that it was asked for, in the transaction of what is done; who asks beside it waits for that.

        False: it was done, and its answer got lost. Raises HTTPException 422 where the key was another request's.
        """
        if self.key is None:
            return True
        call_id = self.id(actor)
        if await tx.connection.execute(_KEEP, call_id, self.fingerprint) == "INSERT 0 1":
            return True
        if await tx.connection.fetchval(_KEPT, call_id) != self.fingerprint:
            raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, _REUSED)
        return False


async def _call(request: Request, key: Key = None) -> Call:
    if key is None:
        return Call(None, b"")
    said = f"{request.method} {request.url.path}\n".encode() + _canonical(await request.body())
    return Call(key, hashlib.sha256(said).digest())


def _canonical(body: bytes) -> bytes:
    """JSON says the same in any order and spacing; what is not JSON is its bytes."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


Asked = Annotated[Call, Depends(_call)]
"""Parameter of a route that does something anew each time that it is asked."""

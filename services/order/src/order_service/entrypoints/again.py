"""`Idempotency-Key`: who had no answer to a new order asks again (draft-ietf-httpapi-idempotency-key-header).

A placer order number does the same. Not every sender has one to give.
"""

from dataclasses import replace
from typing import Annotated, TypeAlias
from uuid import UUID, uuid5

from fastapi import Header

from order_service.domain.order import Request

Key: TypeAlias = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
"""One for each new order, the sender's own: a UUID, for instance."""


def keyed(request: Request, key: str | None, actor: str, namespace: UUID) -> Request:
    """The request, its order's id made from the key: asked for again under it, it is that order."""
    return replace(request, order_id=uuid5(namespace, f"order {actor} {key}")) if key else request

"""A person at the desk or at a machine: acts on exams by HTTP."""

from datetime import datetime
from typing import Any, Final

import httpx
from fj_events import OrderPlaced

RITA: Final = {"X-FJ-User": "rita"}


class Desk:
    """Where `user` says what becomes of an exam."""

    def __init__(self, http: httpx.AsyncClient, user: dict[str, str] = RITA) -> None:
        self._http = http
        self._user = user

    async def does(self, act: str, order: OrderPlaced, **body: Any) -> httpx.Response:
        address = f"/api/scheduling/exams/{order.order_id}/{act}"
        return await self._http.post(address, json=body or None, headers=self._user)

    async def does_under(self, key: str, act: str, order: OrderPlaced, **body: Any) -> httpx.Response:
        """As who had no answer does it again."""
        address = f"/api/scheduling/exams/{order.order_id}/{act}"
        return await self._http.post(address, json=body, headers=self._user | {"Idempotency-Key": key})

    async def books(self, order: OrderPlaced, at: datetime, act: str = "book", **body: Any) -> httpx.Response:
        return await self.does(act, order, starts_at=at.isoformat(), **body)

    async def offered(self, order: OrderPlaced, after: datetime, **asked: Any) -> Any:
        address = f"/api/scheduling/exams/{order.order_id}/slots"
        answer = await self._http.get(address, params={"after": after.isoformat(), **asked})
        return answer.json()["slots"] if answer.status_code == 200 else answer.status_code

    async def sees(self, order: OrderPlaced) -> Any:
        return (await self._http.get(f"/api/scheduling/exams/{order.order_id}")).json()

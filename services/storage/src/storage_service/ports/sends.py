"""What is sent on to whom."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from storage_service.domain.routing import Routable, Send, SendKind, SendOverview, SendResult, SendState, Verdict


class Sends(Protocol):
    """The ledger of what is to be sent to whom."""

    async def route(self, routes: Callable[[Routable], Iterable[tuple[str, SendKind, str]]]) -> bool:
        """Ask for a study that is marked where it goes, and keep that; False where none is marked."""

    async def claim(self, now: datetime) -> Send | None:
        """What has been due longest; for some minutes nobody else gets it."""

    async def renew(self, send: Send, now: datetime) -> None:
        """It is still being worked on."""

    async def ended(self, send: Send, result: SendResult, verdict: Verdict) -> None:
        """An attempt has ended."""


class SendBook(Protocol):
    """The same ledger for operators. What they do is a fact."""

    async def newest(self, state: SendState | None, study_instance_uid: str | None, limit: int) -> list[SendOverview]:
        """The newest sends."""

    async def read(self, send_id: int) -> SendOverview | None:
        """One of them."""

    async def put(self, study_instance_uid: str, destination: str, actor: str) -> list[SendOverview]:
        """Send a study; all sends of it."""

    async def repeat(
        self, send_id: int, actor: str, reason: str | None = None, *, everything: bool
    ) -> SendOverview | None:
        """Try again what is missing, or everything; None where there is no such send."""

    async def cancel(self, send_id: int, actor: str, reason: str | None = None) -> SendOverview | None:
        """Stop trying; None where nothing is waiting there, nor was given up."""

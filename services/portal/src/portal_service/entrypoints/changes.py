"""Telling open pages what has changed: server-sent events (HTML Living Standard 9.2)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fj_runtime import Health, Periodic

from portal_service.ports import ExamBook

if TYPE_CHECKING:
    from datetime import datetime

_EVERY_SECONDS: Final = 0.5
_KEEP_ALIVE_SECONDS: Final = 15.0
_BACKLOG: Final = 100
"""Messages that a slow page may be behind; then the oldest is dropped: any message makes a page look again."""


class Watch:
    """Looks for changed exams, once for all open pages of this process."""

    name = "changes"

    def __init__(self, book: ExamBook) -> None:
        self._book = book
        self._looking = Periodic(self.name, _EVERY_SECONDS, self._look, seconds_max=10)
        self._moment: datetime | None = None
        self._pages: set[asyncio.Queue[list[str]]] = set()
        self._stop: asyncio.Event | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look twice a second until `stop`; a look that fails is one look less."""
        self._stop = stop
        await self._looking.run(stop)
        self._tell([])

    def health(self) -> Health:
        looking = self._looking.health()
        return Health(ok=True, detail=f"{len(self._pages)} open pages") if looking.ok else looking

    async def events(self) -> AsyncIterator[str]:
        """The messages for one page, for as long as it listens."""
        page: asyncio.Queue[list[str]] = asyncio.Queue(_BACKLOG)
        self._pages.add(page)
        try:
            yield "retry: 2000\n\n"
            while self._stop is None or not self._stop.is_set():
                try:
                    changed = await asyncio.wait_for(page.get(), _KEEP_ALIVE_SECONDS)
                    yield f"data: {json.dumps({'exams': changed})}\n\n"
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._pages.discard(page)

    async def _look(self) -> None:
        self._moment, changed = await self._book.changed_since(self._moment)
        if changed:
            self._tell(changed)

    def _tell(self, changed: list[str]) -> None:
        for page in self._pages:
            if page.full():
                page.get_nowait()
            page.put_nowait(changed)


def changes_router(watch: Watch) -> APIRouter:
    """The stream of changes."""
    router = APIRouter(prefix="/api/portal", tags=["changes"])

    @router.get("/changes", response_class=StreamingResponse)
    async def changes() -> StreamingResponse:
        """`{"exams": [ids]}` whenever exams have changed."""
        return StreamingResponse(watch.events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router

"""The pages of `scheduling`: a station's week and day, the waiting list. They ask and tell `/api/scheduling/…`."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from portal_service.entrypoints.pages import Pages

Site = Annotated[str, Query(min_length=1, max_length=64)]


def schedule_router(viewer: str) -> APIRouter:
    """Week, station, waiting list."""
    router = APIRouter(include_in_schema=False)
    pages = Pages(viewer)

    @router.get("/week")
    async def week(site: Site = "MAIN", day: date | None = None) -> HTMLResponse:
        return pages.show("week.html", site=site, day=day or "")

    @router.get("/today")
    async def today(site: Site = "MAIN", day: date | None = None) -> HTMLResponse:
        return pages.show("today.html", site=site, day=day or "")

    @router.get("/waiting")
    async def waiting() -> HTMLResponse:
        return pages.show("waiting.html")

    return router

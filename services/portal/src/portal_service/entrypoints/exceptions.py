"""The exceptions list: what somebody has to look at, each with what there is to compare and to do."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fastapi.responses import HTMLResponse

from portal_service.domain.exceptions import HOMELESS, OF_STUDIES, Kind, Raised
from portal_service.entrypoints.pages import Pages
from portal_service.ports import ExamBook, Found, Listed, PairBook, Wanted

PAGE: Final = 50
Text = Annotated[str, Query(max_length=200)]
Page = Annotated[int, Query(ge=1, le=10_000)]


def exceptions_router(book: ExamBook) -> APIRouter:
    """The list for programs."""
    router = APIRouter(prefix="/api/portal", tags=["exceptions"])

    @router.get("/exceptions")
    async def exceptions(
        kind: Kind | None = None,
        site: Annotated[str | None, Query(min_length=1, max_length=32)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        """The newest first; `total` is of all pages."""
        raised, total = await book.exceptions(Listed(kind=kind, site=site, limit=limit, offset=offset))
        return {"exceptions": raised, "total": total}

    @router.get("/exceptions/{event_id}")
    async def exception(event_id: UUID) -> Raised:
        """One entry."""
        raised = await book.exception(event_id)
        if raised is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "nobody has to look at this (any more)")
        return raised

    return router


def exception_pages(book: ExamBook, pairs: PairBook, viewer: str) -> APIRouter:
    """The list, and the page of one entry."""
    router = APIRouter(include_in_schema=False)
    pages = Pages(viewer)

    @router.get("/exceptions")
    async def exceptions(kind: Text = "", site: Text = "", page: Page = 1) -> HTMLResponse:
        wanted = Listed(kind=kind or None, site=site or None, limit=PAGE, offset=(page - 1) * PAGE)
        raised, total = await book.exceptions(wanted)
        return pages.show(
            "exceptions.html",
            raised=raised,
            total=total,
            page=page,
            pages=max(1, -(-total // PAGE)),
            kinds=tuple(Kind),
            sites=await book.sites_of_exceptions(),
            pairs=await pairs.count(),
            filters={"kind": kind, "site": site},
        )

    @router.get("/exceptions/{event_id}")
    async def exception(event_id: UUID) -> HTMLResponse:
        raised = await book.exception(event_id)
        if raised is None:
            return pages.show("settled.html", status.HTTP_404_NOT_FOUND)
        found = await book.read(raised.key)
        study = found.exam.studies.get(raised.key) if found else None
        return pages.show(
            "exception.html",
            raised=raised,
            found=found,
            study=study,
            of_study=raised.kind in OF_STUDIES,
            homeless=raised.kind in HOMELESS,
            orders=await _sharing(raised, found, book),
        )

    return router


async def _sharing(raised: Raised, found: Found | None, book: ExamBook) -> list[Found]:
    """The exams whose orders have the same accession number, where that is what is wrong."""
    number = found.exam.accession_number if found and raised.kind == Kind.DUPLICATE_ACCESSION else None
    if number is None:
        return []
    exams = await book.find(Wanted(accession=number.value, limit=10))
    return [other for other in exams if other.exam.order and other.exam.accession_number == number]

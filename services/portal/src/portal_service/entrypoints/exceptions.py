"""The exceptions list: what somebody has to look at, each with what there is to compare and to do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fastapi.responses import HTMLResponse

from portal_service.domain.exceptions import DISMISSABLE, HOMELESS, OF_STUDIES, OF_WORK, Act, Kind, Raised
from portal_service.entrypoints.pages import Pages
from portal_service.ports import ActBook, ExamBook, Found, Listed, PairBook, Wanted

PAGE: Final = 50
EXAMLESS: Final = (Kind.REFUSED_MESSAGE, Kind.UNKNOWN_PATIENT)
COMPARING: Final[Mapping[str, str]] = MappingProxyType(
    {
        Kind.UNKNOWN_PATIENT: "strangers.js",
        Kind.UID_CONFLICT: "conflicts.js",
        Kind.WRONG_ENTRY: "wrong_entry.js",
        Kind.DELAYED_REMOVAL: "keeping.js",
    }
)
"""What fills in its two sides, or the one that there is, where that is not done for every page."""
ACTS_SHOWN: Final = 15
DISMISSED: Final = "dismissed"
Text = Annotated[str, Query(max_length=200)]
Page = Annotated[int, Query(ge=1, le=10_000)]


def exceptions_router(book: ExamBook, acts: ActBook) -> APIRouter:
    """The list for programs."""
    router = APIRouter(prefix="/api/portal", tags=["exceptions"])

    @router.get("/exceptions")
    async def exceptions(
        kind: Kind | None = None,
        site: Annotated[str | None, Query(min_length=1, max_length=32)] = None,
        dismissed: bool = False,  # noqa: FBT001, FBT002 - a parameter of the query
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        """The newest first; `total` is of all pages. `dismissed`: what was looked at, instead of what waits."""
        wanted = Listed(kind=kind, site=site, dismissed=dismissed, limit=limit, offset=offset)
        raised, total = await book.exceptions(wanted)
        return {"exceptions": raised, "total": total}

    @router.get("/acts")
    async def done(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[Act]:
        """What persons did about them and about dead letters, the newest first."""
        return await acts.newest(limit)

    @router.get("/exceptions/{event_id}")
    async def exception(event_id: UUID) -> Raised:
        """One entry."""
        raised = await book.exception(event_id)
        if raised is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "nobody has to look at this (any more)")
        return raised

    return router


def exception_pages(book: ExamBook, pairs: PairBook, acts: ActBook, viewer: str) -> APIRouter:
    """The list, and the page of one entry."""
    router = APIRouter(include_in_schema=False)
    pages = Pages(viewer)

    @router.get("/exceptions")
    async def exceptions(kind: Text = "", site: Text = "", show: Text = "", page: Page = 1) -> HTMLResponse:
        wanted = Listed(
            kind=kind or None,
            site=site or None,
            dismissed=show == DISMISSED,
            limit=PAGE,
            offset=(page - 1) * PAGE,
        )
        raised, total = await book.exceptions(wanted)
        return pages.show(
            "exceptions.html",
            raised=raised,
            total=total,
            page=page,
            pages=max(1, -(-total // PAGE)),
            kinds=tuple(Kind),
            examless=EXAMLESS,
            sites=await book.sites_of_exceptions(),
            pairs=await pairs.count(),
            acts=await acts.newest(ACTS_SHOWN),
            filters={"kind": kind, "site": site, "show": show},
        )

    @router.get("/exceptions/{event_id}")
    async def exception(event_id: UUID) -> HTMLResponse:
        raised = await book.exception(event_id)
        if raised is None:
            return pages.show("settled.html", status.HTTP_404_NOT_FOUND)
        found = await book.read(raised.about or raised.key)
        study = found.exam.studies.get(raised.key) if found else None
        return pages.show(
            "exception.html",
            raised=raised,
            found=found,
            study=study,
            of_study=raised.kind in OF_STUDIES,
            homeless=raised.kind in HOMELESS,
            of_work=raised.kind in OF_WORK,
            dismissable=raised.kind in DISMISSABLE,
            comparing=COMPARING,
            orders=await sharing(raised, found, book),
        )

    return router


async def sharing(raised: Raised, found: Found | None, book: ExamBook) -> list[Found]:
    """The exams whose orders have the same accession number, where that is what is wrong."""
    number = found.exam.accession_number if found and raised.kind == Kind.DUPLICATE_ACCESSION else None
    if number is None:
        return []
    exams = await book.find(Wanted(accession=number.value, limit=10))
    return [other for other in exams if other.exam.order and other.exam.accession_number == number]

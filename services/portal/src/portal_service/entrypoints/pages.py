"""The pages. What a person does on them is posted to the owner of the thing, `/api/<owner>/…`."""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, status
from fastapi.responses import HTMLResponse
from fj_events import SERVICES
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from portal_service.domain.exam import Milestone
from portal_service.ports import ExamBook, PairBook, Wanted

STATES: Final = (*(milestone.name.lower() for milestone in Milestone if milestone), "cancelled", "discontinued")
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
)
_STATIC: Final[Mapping[str, str]] = MappingProxyType(
    {
        file.name: _KINDS[file.name.rpartition(".")[2]]
        for file in (resources.files("portal_service") / "static").iterdir()
    }
)
_HEADERS: Final = {
    # Pages hold PHI: no copy of them stays behind, and nothing of another origin runs in them.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
DUPLICATES_MAX: Final = 500
Text = Annotated[str, Query(max_length=200)]


class Pages:
    """Templates with what all of them show."""

    def __init__(self, viewer: str) -> None:
        self._environment = Environment(
            loader=PackageLoader("portal_service"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {"states": STATES, "services": SERVICES, "viewer": viewer.rstrip("/")}
        self._environment.filters["uri"] = lambda text: quote(str(text), safe="")

    def show(self, name: str, code: int = status.HTTP_200_OK, **shown: object) -> HTMLResponse:
        """One page."""
        return HTMLResponse(self._environment.get_template(name).render(shown), code, dict(_HEADERS))


def pages_router(book: ExamBook, pairs: PairBook, viewer: str) -> APIRouter:
    """Exams, one exam, reading list, duplicates, system."""
    router = APIRouter(include_in_schema=False)
    pages = Pages(viewer)

    @router.get("/")
    async def exams(text: Text = "", state: Text = "", modality: Text = "", site: Text = "") -> HTMLResponse:
        wanted = Wanted(text=text or None, state=state or None, modality=modality or None, site=site or None)
        filters = {"text": text, "state": state, "modality": modality, "site": site}
        return pages.show("exams.html", found=await book.find(wanted), filters=filters)

    @router.get("/exams/{exam_id}")
    async def exam(exam_id: str) -> HTMLResponse:
        found = await book.read(exam_id)
        if found is None:
            return pages.show("missing.html", status.HTTP_404_NOT_FOUND, exam_id=exam_id)
        return pages.show("exam.html", found=found, exam=found.exam, patient=found.patient)

    @router.get("/reading")
    async def reading() -> HTMLResponse:
        return pages.show("reading.html")

    @router.get("/duplicates")
    async def duplicates() -> HTMLResponse:
        return pages.show("duplicates.html", pairs=await pairs.waiting(DUPLICATES_MAX))

    @router.get("/system")
    async def system() -> HTMLResponse:
        return pages.show("system.html")

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in _STATIC:
            return Response(status_code=status.HTTP_404_NOT_FOUND)
        content = (resources.files("portal_service") / "static" / name).read_bytes()
        return Response(content, media_type=_STATIC[name], headers={"Cache-Control": "max-age=300"})

    return router

"""WADO-RS: rendered resources and thumbnails (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4)."""

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fj_runtime import Problem
from starlette.responses import Response

from storage_service.domain.rendering import Look
from storage_service.domain.retrieval import Stored
from storage_service.entrypoints.dicomweb.conditions import not_modified, tag, validated
from storage_service.entrypoints.dicomweb.look import left_aside, read_look
from storage_service.entrypoints.dicomweb.refusals import refusing
from storage_service.entrypoints.dicomweb.stored import place
from storage_service.entrypoints.sight import Sight
from storage_service.ports.index import Index
from storage_service.ports.objects import Rendering

_METHODS: Final = ["GET", "HEAD"]
_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"


@dataclass(frozen=True, slots=True)
class Showing:
    """What rendering needs."""

    sight: Sight[Request, Index]
    """Who may see what."""
    rendering: Rendering

    async def answer(
        self, request: Request, path: tuple[str, ...], *, thumbnail: bool, frame: int | None = None
    ) -> Response:
        """One image: of a study the middle one of its first series, of a series the middle one."""
        look = read_look(request)
        stored = middle(await (await self.sight.of(request)).instances(*path))
        return await self.image(request, stored, frame, look.as_thumbnail() if thumbnail else look)

    async def image(self, request: Request, stored: Stored, frame: int | None, look: Look) -> Response:
        """The answer with this image."""
        etag = tag(look, frame, place(stored))
        if known := not_modified(request, etag):
            return known
        with refusing():
            image = await self.rendering.rendered(stored, frame, look)
        return Response(image, media_type=look.media_type, headers={**validated(etag), **left_aside(request)})


def rendered_router(showing: Showing) -> APIRouter:
    """Rendered images and thumbnails of each level."""
    router = APIRouter(prefix="/dicomweb", tags=["WADO-RS"])
    for kind in ("rendered", "thumbnail"):
        _levels(router, showing, kind)
        _frames(router, showing, kind)
    return router


def middle(found: list[Stored]) -> Stored:
    """Of the first series. Raises Problem 404 where there is nothing."""
    if not found:
        raise Problem(404, "There is no such study, series or instance")
    first = [stored for stored in found if stored.series_instance_uid == found[0].series_instance_uid]
    return first[len(first) // 2]


def _levels(router: APIRouter, showing: Showing, kind: str) -> None:
    thumbnail = kind == "thumbnail"

    @router.api_route(f"{_STUDY}/{kind}", methods=_METHODS)
    async def study(request: Request, study: str) -> Response:
        return await showing.answer(request, (study,), thumbnail=thumbnail)

    @router.api_route(f"{_SERIES}/{kind}", methods=_METHODS)
    async def series(request: Request, study: str, series: str) -> Response:
        return await showing.answer(request, (study, series), thumbnail=thumbnail)

    @router.api_route(f"{_INSTANCE}/{kind}", methods=_METHODS)
    async def instance(request: Request, study: str, series: str, instance: str) -> Response:
        return await showing.answer(request, (study, series, instance), thumbnail=thumbnail)


def _frames(router: APIRouter, showing: Showing, kind: str) -> None:
    @router.api_route(f"{_INSTANCE}/frames/{{frame}}/{kind}", methods=_METHODS)
    async def frame(request: Request, study: str, series: str, instance: str, frame: str) -> Response:
        if not (frame.isascii() and frame.isdigit() and len(frame) < 9 and int(frame)):
            raise Problem(400, "One frame is shown at a time, by its number from 1")
        path = (study, series, instance)
        return await showing.answer(request, path, thumbnail=kind == "thumbnail", frame=int(frame))

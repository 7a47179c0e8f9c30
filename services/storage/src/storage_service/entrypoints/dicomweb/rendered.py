"""WADO-RS: rendered resources and thumbnails (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4)."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fastapi import APIRouter, Request
from fj_runtime import Problem
from starlette.responses import Response

from storage_service.domain.errors import NoSuchPart, NotShown, Unreadable
from storage_service.domain.rendering import Look
from storage_service.domain.retrieval import Stored
from storage_service.entrypoints.dicomweb.answers import base_url
from storage_service.entrypoints.dicomweb.choices import Form, choose_picture
from storage_service.entrypoints.dicomweb.conditions import not_modified, tag, validated
from storage_service.entrypoints.dicomweb.look import OFFERED, left_aside, read_look
from storage_service.entrypoints.dicomweb.multipart import Body, Part, sending
from storage_service.entrypoints.dicomweb.negotiation import accepted_by
from storage_service.entrypoints.dicomweb.refusals import refusing
from storage_service.entrypoints.dicomweb.stored import address, frame_numbers, place
from storage_service.entrypoints.sight import Sight
from storage_service.ports.index import Index
from storage_service.ports.objects import Pixels, Rendering

PICTURES_MAX: Final = 2000
"""Of one answer; of more, one asks series by series."""
_METHODS: Final = ["GET", "HEAD"]
_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"
Shown: TypeAlias = tuple[Stored, int | None]
"""An instance, and which of its frames; None: its middle one, or all of them where the picture moves."""


@dataclass(frozen=True, slots=True)
class Showing:
    """What rendering needs."""

    sight: Sight[Request, Index]
    """Who may see what."""
    rendering: Rendering
    pixels: Pixels

    async def found(self, request: Request, *path: str) -> list[Stored]:
        """The instances of a study, a series, or one, of those that the client may see."""
        return await (await self.sight.of(request)).instances(*path)

    async def one(self, request: Request, found: Sequence[Stored], frame: int | None, *, thumbnail: bool) -> Response:
        """One picture: of several instances the middle one of the first series."""
        form = choose_picture(accepted_by(request), OFFERED, single=True)
        look = read_look(request, form.media_type)
        stored, asked = _middle(found), look.as_thumbnail() if thumbnail else look
        if form.multipart:
            return await self._together(request, form, [(stored, frame)], asked)
        return await self.image(request, stored, frame, asked)

    async def image(self, request: Request, stored: Stored, frame: int | None, look: Look) -> Response:
        """The answer with this image."""
        etag = tag(look, frame, place(stored))
        if known := not_modified(request, etag):
            return known
        with refusing():
            image = await self.rendering.rendered(stored, frame, look)
        return Response(image, media_type=look.media_type, headers={**validated(etag), **left_aside(request)})

    async def all_(self, request: Request, shown: Sequence[Shown]) -> Response:
        """A picture of each, in multipart/related."""
        if not shown:
            raise Problem(404, "There is no such study or series")
        if len(shown) > PICTURES_MAX:
            raise Problem(413, f"More than {PICTURES_MAX} pictures are not made for one answer; ask for fewer")
        form = choose_picture(accepted_by(request), OFFERED, single=False)
        return await self._together(request, form, shown, read_look(request, form.media_type))

    async def _together(self, request: Request, form: Form, shown: Sequence[Shown], look: Look) -> Response:
        parts = [Part(form.media_type, None, _location(address(request, stored), frame)) for stored, frame in shown]
        etag = tag(base_url(request), form, look, *((frame, place(stored)) for stored, frame in shown))
        answer = await sending(request, form, parts, etag, self._pictures(shown, look))
        answer.headers.update(left_aside(request))
        return answer

    async def _pictures(self, shown: Sequence[Shown], look: Look) -> AsyncGenerator[Body, None]:
        """One after the other. What is no image, or none that can be shown, is left out, unless nothing can be."""
        refused: NoSuchPart | NotShown | Unreadable | None = None
        made = 0
        for number, (stored, frame) in enumerate(shown):
            try:
                picture = await self.rendering.rendered(stored, frame, look)
            except (NoSuchPart, NotShown, Unreadable) as reason:
                refused = reason
                continue
            made += 1
            yield number, 0, picture
        if refused is not None and not made:
            raise refused


def rendered_router(showing: Showing) -> APIRouter:
    """Rendered images and thumbnails of each level."""
    router = APIRouter(prefix="/dicomweb", tags=["WADO-RS"])
    _rendered(router, showing)
    _thumbnails(router, showing)
    return router


def _rendered(router: APIRouter, showing: Showing) -> None:
    @router.api_route(f"{_STUDY}/rendered", methods=_METHODS)
    async def study(request: Request, study: str) -> Response:
        found = await showing.found(request, study)
        return await showing.all_(request, [(stored, None) for stored in found])

    @router.api_route(f"{_SERIES}/rendered", methods=_METHODS)
    async def series(request: Request, study: str, series: str) -> Response:
        found = await showing.found(request, study, series)
        return await showing.all_(request, [(stored, None) for stored in found])

    @router.api_route(f"{_INSTANCE}/rendered", methods=_METHODS)
    async def instance(request: Request, study: str, series: str, instance: str) -> Response:
        found = await showing.found(request, study, series, instance)
        return await showing.one(request, found, None, thumbnail=False)

    @router.api_route(f"{_INSTANCE}/frames/{{frames}}/rendered", methods=_METHODS)
    async def frames(request: Request, study: str, series: str, instance: str, frames: str) -> Response:
        numbers = frame_numbers(frames)
        found = await showing.found(request, study, series, instance)
        if len(numbers) == 1 or not found:
            return await showing.one(request, found, numbers[0], thumbnail=False)
        with refusing():  # while there is a status yet to say that one of them is not there
            await showing.pixels.frames(found[0], numbers)
        return await showing.all_(request, [(found[0], number) for number in numbers])


def _thumbnails(router: APIRouter, showing: Showing) -> None:
    @router.api_route(f"{_STUDY}/thumbnail", methods=_METHODS)
    async def study(request: Request, study: str) -> Response:
        found = await showing.found(request, study)
        return await showing.one(request, found, None, thumbnail=True)

    @router.api_route(f"{_SERIES}/thumbnail", methods=_METHODS)
    async def series(request: Request, study: str, series: str) -> Response:
        found = await showing.found(request, study, series)
        return await showing.one(request, found, None, thumbnail=True)

    @router.api_route(f"{_INSTANCE}/thumbnail", methods=_METHODS)
    async def instance(request: Request, study: str, series: str, instance: str) -> Response:
        found = await showing.found(request, study, series, instance)
        return await showing.one(request, found, None, thumbnail=True)

    @router.api_route(f"{_INSTANCE}/frames/{{frames}}/thumbnail", methods=_METHODS)
    async def frames(request: Request, study: str, series: str, instance: str, frames: str) -> Response:
        numbers = frame_numbers(frames)
        found = await showing.found(request, study, series, instance)
        return await showing.one(request, found, numbers[len(numbers) // 2], thumbnail=True)


def _middle(found: Sequence[Stored]) -> Stored:
    """Of the first series. Raises Problem 404 where there is nothing."""
    if not found:
        raise Problem(404, "There is no such study, series or instance")
    first = [stored for stored in found if stored.series_instance_uid == found[0].series_instance_uid]
    return first[len(first) // 2]


def _location(instance: str, frame: int | None) -> str:
    return f"{instance}/rendered" if frame is None else f"{instance}/frames/{frame}/rendered"

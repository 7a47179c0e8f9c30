"""QIDO-RS: searching studies, series and instances (PS3.18 section 10.6)."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request
from fj_runtime import Problem
from starlette.responses import Response

from storage_service.domain.search import ATTRIBUTES, AnyOf, Condition, Level
from storage_service.entrypoints.dicomweb import parameters
from storage_service.entrypoints.dicomweb.answers import Results, base_url, found_response
from storage_service.entrypoints.dicomweb.choices import choose_description
from storage_service.entrypoints.dicomweb.negotiation import accepted_by
from storage_service.entrypoints.sight import Sight
from storage_service.ports.index import Searches

MORE: Final = "There are additional results that can be requested."
_METHODS: Final = ["GET", "HEAD"]


def search_router(sight: Sight[Request, Searches], most: int) -> APIRouter:
    """The searches of each level; `most` results at once. `sight`: who may find what."""
    router = APIRouter(prefix="/dicomweb", tags=["QIDO-RS"])

    async def answer(request: Request, level: Level, *path: Condition) -> Response:
        return await _answer(request, level, path, await sight.of(request), most)

    @router.api_route("/studies", methods=_METHODS)
    async def studies(request: Request) -> Response:
        return await answer(request, Level.STUDY)

    @router.api_route("/series", methods=_METHODS)
    async def series(request: Request) -> Response:
        return await answer(request, Level.SERIES)

    @router.api_route("/instances", methods=_METHODS)
    async def instances(request: Request) -> Response:
        return await answer(request, Level.INSTANCE)

    @router.api_route("/studies/{study}/series", methods=_METHODS)
    async def series_of_study(request: Request, study: str) -> Response:
        return await answer(request, Level.SERIES, _study(study))

    @router.api_route("/studies/{study}/instances", methods=_METHODS)
    async def instances_of_study(request: Request, study: str) -> Response:
        return await answer(request, Level.INSTANCE, _study(study))

    @router.api_route("/studies/{study}/series/{series}/instances", methods=_METHODS)
    async def instances_of_series(request: Request, study: str, series: str) -> Response:
        return await answer(request, Level.INSTANCE, _study(study), _series(series))

    return router


async def _answer(request: Request, level: Level, path: Sequence[Condition], searches: Searches, most: int) -> Response:
    form = choose_description(accepted_by(request), single=False)
    try:
        asked = parameters.read(request.query_params.multi_items(), level, path, most)
    except parameters.BadParameter as error:
        raise Problem(400, str(error), errors=[{"detail": error.expected, "parameter": error.parameter}]) from None
    found = await searches.search(asked.search)
    results = Results(asked.search.fields, base_url(request))
    warnings = (*asked.warnings, MORE) if found.more else asked.warnings
    return found_response(form, map(results.result, found.rows), warnings)


def _study(uid: str) -> Condition:
    return AnyOf(ATTRIBUTES["StudyInstanceUID"], (uid,))


def _series(uid: str) -> Condition:
    return AnyOf(ATTRIBUTES["SeriesInstanceUID"], (uid,))

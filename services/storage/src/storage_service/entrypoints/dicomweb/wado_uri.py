"""WADO-URI for old viewers: one object by query parameters (PS3.18 section 9)."""

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fj_runtime import Problem
from pydicom.uid import ExplicitVRLittleEndian
from starlette.datastructures import QueryParams
from starlette.responses import Response

from storage_service.domain.rendering import JPEG, Look, Region, Window
from storage_service.domain.retrieval import Stored
from storage_service.entrypoints.dicomweb.choices import Form
from storage_service.entrypoints.dicomweb.conditions import not_modified, tag, validated
from storage_service.entrypoints.dicomweb.look import (
    OFFERED,
    SIZE_MAX,
    a_window,
    numbers,
    read_annotations,
    read_quality,
    whole,
)
from storage_service.entrypoints.dicomweb.negotiation import DICOM
from storage_service.entrypoints.dicomweb.refusals import refusing
from storage_service.entrypoints.dicomweb.rendered import Showing
from storage_service.entrypoints.dicomweb.stored import place, send_stored
from storage_service.ports.objects import Files, Packs

_UIDS: Final = ("studyUID", "seriesUID", "objectUID")
_FRAMES_MAX: Final = 10**8
_ALONE: Final = Form(DICOM, None, multipart=False)


@dataclass(frozen=True, slots=True)
class Old:
    """What WADO-URI needs."""

    showing: Showing
    files: Files
    packs: Packs


def wado_uri_router(old: Old) -> APIRouter:
    """`/wado?requestType=WADO&…`."""
    router = APIRouter(tags=["WADO-URI"])

    @router.api_route("/wado", methods=["GET", "HEAD"])
    async def wado(request: Request) -> Response:
        query = request.query_params
        if query.get("requestType") != "WADO":
            raise Problem(400, "requestType is WADO")
        missing = [name for name in _UIDS if not query.get(name)]
        if missing:
            raise Problem(400, f"Missing: {', '.join(missing)}")
        index = await old.showing.sight.of(request)
        found = await index.instances(*(query[name] for name in _UIDS))
        if not found:
            raise Problem(404, "There is no such object")
        wanted = [kind.partition(";")[0].strip() for kind in query.get("contentType", JPEG).split(",")]
        chosen = next((kind for kind in wanted if kind in {*OFFERED, DICOM}), None)
        if chosen is None:
            raise Problem(406, f"Offered are {', '.join((*OFFERED, DICOM))}")
        if chosen == DICOM:
            return await _file(request, found[0], old)
        frame = whole(query, "frameNumber", _FRAMES_MAX)
        return await old.showing.image(request, found[0], frame, _look(query, chosen))

    return router


async def _file(request: Request, stored: Stored, old: Old) -> Response:
    """As asked for; nothing asked for is Explicit VR Little Endian, and where that cannot be had, as it is stored."""
    if request.query_params.get("anonymize") == "yes":
        raise Problem(406, "Nothing is anonymized here")
    wanted = request.query_params.get("transferSyntax")
    own, syntax = stored.transfer_syntax_uid, wanted or str(ExplicitVRLittleEndian)
    etag = tag(DICOM, syntax, place(stored))
    if own != syntax:
        if known := not_modified(request, etag):
            return known
        with refusing():
            found = await old.files.file(stored, syntax)
        if found is not None:
            return Response(found, media_type=DICOM, headers=validated(etag))
        if wanted is not None:
            raise Problem(406, f"It is stored as {own} and cannot be had as {wanted}")
    return await send_stored(request, _ALONE, [stored], etag, old.packs)


def _look(query: QueryParams, media_type: str) -> Look:
    return Look(
        media_type,
        _window(query),
        whole(query, "columns", SIZE_MAX),
        whole(query, "rows", SIZE_MAX),
        None,
        _region(query),
        read_quality(query, "imageQuality"),
        read_annotations(query),
    )


def _window(query: QueryParams) -> Window | None:
    center, width = query.get("windowCenter"), query.get("windowWidth")
    if center is None or width is None:
        return None
    return a_window(numbers("windowCenter", center)[0], numbers("windowWidth", width)[0])


def _region(query: QueryParams) -> Region | None:
    """Two corners in fractions of the image (PS3.18 9.1.2.2.8)."""
    text = query.get("region")
    if text is None:
        return None
    corners = numbers("region", text)
    if len(corners) != 4 or not (0 <= corners[0] < corners[2] <= 1 and 0 <= corners[1] < corners[3] <= 1):
        raise Problem(400, "region is xmin,ymin,xmax,ymax, from 0 to 1")
    left, top, right, bottom = corners
    return Region(left, top, right - left, bottom - top)

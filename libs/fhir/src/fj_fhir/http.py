"""FHIR over HTTP (R4 section 3.1.0): media types, conditional reads, errors as OperationOutcome.

`fhir_router()` gives a router all of whose errors are answered as FHIR says; `refuse_the_rest` closes it, so that an
address or method that nobody serves is answered in the same way.
"""

from collections.abc import Callable, Collection, Coroutine, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from fj_fhir.checking import read_json
from fj_fhir.outcome import FhirError, Issue, IssueCode, operation_outcome
from fj_fhir.terms import Json

MEDIA_TYPE: Final = "application/fhir+json"
_JSON: Final = frozenset({MEDIA_TYPE, "application/json", "text/json", "json"})
_FORM: Final = "application/x-www-form-urlencoded"
_ACCEPTED: Final = _JSON | {"*/*", "application/*"}
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_CODES: Final[Mapping[int, IssueCode]] = {
    401: IssueCode.LOGIN,
    403: IssueCode.FORBIDDEN,
    404: IssueCode.NOT_FOUND,
    405: IssueCode.NOT_SUPPORTED,
    406: IssueCode.NOT_SUPPORTED,
    409: IssueCode.CONFLICT,
    413: IssueCode.TOO_LONG,
    415: IssueCode.NOT_SUPPORTED,
    503: IssueCode.TRANSIENT,
}
_log = structlog.get_logger("fj_fhir")


class FhirResponse(JSONResponse):
    """A resource as `application/fhir+json`."""

    media_type = f"{MEDIA_TYPE}; charset=utf-8"


def fhir_router(prefix: str = "/fhir", away: tuple[type[Exception], ...] = ()) -> APIRouter:
    """An empty router for FHIR; only JSON is spoken (406 otherwise).

    `away`: errors which say that a server behind this one does not answer (503); any other that is not foreseen is
    a 500, logged by its class.
    """
    away = (ConnectionError, TimeoutError, *away)

    class FhirRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await inner(request)
                except Exception as error:  # noqa: BLE001 - whatever it is, the answer is an OperationOutcome
                    return _answer(request, error, away)

            return handle

    return APIRouter(
        prefix=prefix, route_class=FhirRoute, default_response_class=FhirResponse, dependencies=[Depends(negotiate)]
    )


def refuse_the_rest(router: APIRouter, served: Collection[str]) -> None:
    """Answer what the router has no route for: call it last. `served` are the resource types that it does serve."""

    @router.api_route("/{path:path}", methods=_METHODS, include_in_schema=False)
    async def _(request: Request, path: str) -> Response:
        name = path.partition("/")[0]
        if name in served:
            refused = f"{request.method} {name} is not offered here, see metadata"
            raise FhirError(405, [Issue(IssueCode.NOT_SUPPORTED, refused)])
        raise FhirError(404, [Issue(IssueCode.NOT_SUPPORTED, f"{name or 'this address'} is not served here")])


def outcome_response(status: int, *issues: Issue, headers: Mapping[str, str] | None = None) -> FhirResponse:
    """An answer that is an OperationOutcome."""
    return FhirResponse(operation_outcome(issues), status, dict(headers) if headers else None)


def resource_response(request: Request, resource: Json) -> Response:
    """The answer to a read: ETag and Last-Modified from `meta`; 304 where the client has this version already."""
    updated = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    headers = version_headers(resource)
    if _is_known(request, headers["ETag"], updated):
        return Response(status_code=304, headers=headers)
    return FhirResponse(resource, headers=headers)


def created_response(location: str, resource: Json, status: int = 201) -> FhirResponse:
    """The answer to a create or update, with the address of the resource."""
    return FhirResponse(resource, status, {"Location": location, **version_headers(resource)})


def version_headers(resource: Json) -> dict[str, str]:
    """ETag and Last-Modified of a resource that has a `meta`."""
    updated = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    return {
        "ETag": f'W/"{resource["meta"]["versionId"]}"',
        "Last-Modified": format_datetime(updated.astimezone(UTC), usegmt=True),
    }


async def read_body(request: Request, limit: int = 1 << 20) -> Json:
    """The JSON object that was sent. Raises FhirError: 415, 413 over `limit` bytes, 400."""
    return read_json(await _read(request, _JSON, MEDIA_TYPE, limit))


async def read_form(request: Request, limit: int = 1 << 16) -> list[tuple[str, str]]:
    """The parameters of a search by POST (R4 section 3.1.1.1.4). Raises FhirError: 415, 413 over `limit` bytes, 400."""
    raw = await _read(request, {_FORM}, _FORM, limit)
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise FhirError(400, [Issue(IssueCode.STRUCTURE, "the form is not in UTF-8")]) from None


async def _read(request: Request, types: Collection[str], wanted: str, limit: int) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in types:
        given = f"the body is {media_type or 'of no type'}, not {wanted}"
        raise FhirError(415, [Issue(IssueCode.NOT_SUPPORTED, given)])
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise FhirError(413, [Issue(IssueCode.TOO_LONG, f"the body is longer than {limit} bytes")])
    return bytes(raw)


def origin(request: Request, public_url: str | None) -> str:
    """How the client reaches us: as it is set, else as the gateway passed the request on."""
    if public_url is not None:
        return public_url.rstrip("/")
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else request.url.scheme
    return f"{scheme}://{request.headers.get('host', request.url.netloc)}"


def negotiate(request: Request) -> None:
    """A dependency of every route: JSON is what is spoken here. Raises FhirError 406.

    `_format` counts before Accept (R4 section 3.1.0.1.9).
    """
    wished = request.query_params.get("_format")
    accepted = [wished] if wished else request.headers.get("accept", "*/*").split(",")
    # A plus sign in a query that was not escaped reads as a space.
    types = {one.partition(";")[0].strip().lower().replace(" ", "+") for one in accepted}
    if not types & _ACCEPTED:
        wanted = f"{', '.join(sorted(types))} is not spoken here, only {MEDIA_TYPE}"
        raise FhirError(406, [Issue(IssueCode.NOT_SUPPORTED, wanted)])


def _is_known(request: Request, etag: str, updated: datetime) -> bool:
    if tags := request.headers.get("if-none-match"):
        return etag.removeprefix("W/") in {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    try:
        since = parsedate_to_datetime(request.headers["if-modified-since"])
    except (KeyError, ValueError):
        return False
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return updated.replace(microsecond=0) <= since


def _answer(request: Request, error: Exception, away: tuple[type[Exception], ...]) -> Response:
    if isinstance(error, FhirError):
        return outcome_response(error.status, *error.issues)
    if isinstance(error, HTTPException):
        return _of_http_error(request, error)
    if isinstance(error, RequestValidationError):
        return outcome_response(400, *(_of_item(item) for item in error.errors()))
    if isinstance(error, away):
        _log.warning("a server behind the FHIR API is away", exc_info=error)
        issue = Issue(IssueCode.TRANSIENT, "a server behind this one is away; repeat the request")
        return outcome_response(503, issue, headers={"Retry-After": "2"})
    _log.error("unforeseen error in the FHIR API", exc_info=error)
    return outcome_response(500, Issue(IssueCode.EXCEPTION, "the server failed; nothing was changed"))


def _of_http_error(request: Request, error: HTTPException) -> Response:
    default = IssueCode.EXCEPTION if error.status_code >= 500 else IssueCode.INVALID
    issue = Issue(_CODES.get(error.status_code, default), f"{request.method} {request.url.path}: {error.detail}")
    return outcome_response(error.status_code, issue, headers=error.headers)


def _of_item(item: Any) -> Issue:
    return Issue(IssueCode.VALUE, f"{'.'.join(map(str, item['loc']))}: {item['msg']}")

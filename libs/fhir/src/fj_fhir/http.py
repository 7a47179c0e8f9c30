"""FHIR over HTTP (R4 section 3.1.0): media types, conditional reads, errors as OperationOutcome.

`fhir_api()` is an application of its own, to be mounted under `/fhir`, so that all that goes wrong under that path,
an unknown address included, is answered as FHIR says.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fj_fhir.checking import read_json
from fj_fhir.outcome import FhirError, Issue, IssueCode, operation_outcome
from fj_fhir.terms import Json

MEDIA_TYPE: Final = "application/fhir+json"
_JSON: Final = frozenset({MEDIA_TYPE, "application/json", "text/json", "json"})
_ACCEPTED: Final = _JSON | {"*/*", "application/*"}
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
_log = logging.getLogger("fj_fhir.http")


class FhirResponse(JSONResponse):
    """A resource as `application/fhir+json`."""

    media_type = f"{MEDIA_TYPE}; charset=utf-8"


def fhir_api(title: str) -> FastAPI:
    """An empty FHIR application: add routes, then mount it under `/fhir`."""
    api = FastAPI(title=title, default_response_class=FhirResponse, redirect_slashes=False, docs_url=None)
    api.add_exception_handler(FhirError, _on_fhir_error)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(RequestValidationError, _on_bad_request)
    api.add_exception_handler(Exception, _on_surprise)
    return api


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
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        wanted = f"the body is {media_type or 'of no type'}, not {MEDIA_TYPE}"
        raise FhirError(415, [Issue(IssueCode.NOT_SUPPORTED, wanted)])
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise FhirError(413, [Issue(IssueCode.TOO_LONG, f"the body is longer than {limit} bytes")])
    return read_json(bytes(raw))


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


async def _on_fhir_error(_request: Request, error: Any) -> Response:
    return outcome_response(error.status, *error.issues)


async def _on_http_error(request: Request, error: Any) -> Response:
    code = _CODES.get(error.status_code, IssueCode.EXCEPTION if error.status_code >= 500 else IssueCode.INVALID)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return outcome_response(error.status_code, Issue(code, detail), headers=error.headers)


async def _on_bad_request(_request: Request, error: Any) -> Response:
    issues = [Issue(IssueCode.VALUE, f"{'.'.join(map(str, item['loc']))}: {item['msg']}") for item in error.errors()]
    return outcome_response(400, *issues)


async def _on_surprise(_request: Request, error: Exception) -> Response:
    # The type alone: the text of an unforeseen error may quote the request.
    _log.error("unforeseen error in the FHIR API: %s", type(error).__name__)
    return outcome_response(500, Issue(IssueCode.EXCEPTION, "the server failed; nothing was changed"))

"""Errors of HTTP doors as problem details (RFC 9457), without what the caller sent and without our insides."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = 2
_log = structlog.get_logger("fj_runtime.http")

# A server behind us is away, restarting or too slow: nothing is known to be wrong with the request.
AWAY: Final[tuple[type[Exception], ...]] = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
)


class Problem(HTTPException):
    """A refusal that a handler raises: status, what it is about, and further members of the answer.

    `detail` goes to the caller; name what did not fit, not the patient.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.members = members


SCHEMA: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "Problem details (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status"],
                    "properties": {
                        "type": {"type": "string", "format": "uri-reference"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "errors": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["detail"],
                                "properties": {
                                    "detail": {"type": "string"},
                                    "pointer": {"type": "string", "description": "JSON Pointer into the body"},
                                    "parameter": {"type": "string"},
                                    "header": {"type": "string"},
                                },
                            },
                        },
                    },
                }
            }
        },
    }
}


def problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """A problem response. The type is `about:blank`, so the title is the status's own phrase (RFC 9457, 4.2.1)."""
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": status} | ({"detail": detail} if detail else {})
    return JSONResponse(content | members, status, headers, MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Answer every error of `app` with a problem."""
    app.add_exception_handler(StarletteHTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    for kind in AWAY:
        app.add_exception_handler(kind, _on_away)
    app.add_exception_handler(Exception, _on_anything)


async def _on_http(_: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise error
    title = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == title else str(error.detail)
    members = error.members if isinstance(error, Problem) else {}
    return problem(error.status_code, detail, error.headers, **members)


async def _on_invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    items = error.errors()
    if items and items[0]["type"] == "json_invalid":
        reason, position = items[0]["ctx"]["error"], items[0]["loc"][-1]
        return problem(400, f"The body is not JSON: {reason} at character {position}")
    return problem(422, "The request does not fit", errors=[_item(item) for item in items])


async def _on_away(_: Request, error: Exception) -> Response:
    _log.warning("a server behind this one is away or too slow", exc_info=error)
    detail = "A server behind this one is away or too slow; repeat the request"
    return problem(503, detail, {"Retry-After": str(_RETRY_SECONDS)})


async def _on_anything(_: Request, __: Exception) -> Response:
    return problem(500)  # the server logs it, as class and place


def _item(item: Mapping[str, Any]) -> dict[str, str]:
    """Where and why, without the value. Texts of our own validators are left out: they may name the value."""
    place, *path = item["loc"]
    custom = item["type"] in {"value_error", "assertion_error"}
    detail = "The value is not valid" if custom else str(item["msg"])
    if place == "body":
        return {"detail": detail, "pointer": _pointer(path)}
    where = {"query": "parameter", "path": "parameter", "header": "header", "cookie": "cookie"}.get(place, "parameter")
    return {"detail": detail, where: ".".join(map(str, path))}


def _pointer(path: Sequence[str | int]) -> str:
    """A JSON Pointer (RFC 6901) as a URI fragment."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + "".join(f"/{step}" for step in steps)

"""The HTTP side of a service: one FastAPI application with our manners."""

import time
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fj_runtime.foremost import Foremost
from fj_runtime.problems import SCHEMA, install_problems, problem
from fj_runtime.tracing import traced

MIB: Final = 1024 * 1024
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_requests = Counter("fj_http_requests", "HTTP requests answered", ["method", "route", "status"])
_seconds = Histogram("fj_http_request_seconds", "Time to the end of the answer", ["method", "route"])


def api(service: str, *routers: APIRouter, max_body: int = MIB, foremost: Sequence[Route] = ()) -> FastAPI:
    """An application with its contract at `/api/<service>/openapi.json` and problem+json for every error.

    `max_body` is the largest request body in bytes, 413 above it; a route may set its own by FastAPI's
    `max_body_size`. Routers carry their whole paths. Lifespan functions are not run: `main` builds what is needed.
    `foremost` are plain routes that are tried first (`Foremost`); the contract does not have them.
    """
    app = _Api(
        title=f"Filmjacket {service}",
        version="1",
        openapi_url=f"/api/{service}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=SCHEMA,
        max_body_size=max_body,
        # FastAPI's own spans carry the query string, which names patients; ours carry the route's template.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.foremost = foremost
    for router in routers:
        app.include_router(router)
    install_problems(app)
    return app


class _Api(FastAPI):
    """Looks at requests from outside of everything that FastAPI puts around them, its own limits included."""

    foremost: Sequence[Route] = ()

    def build_middleware_stack(self) -> ASGIApp:
        rest = _TooLargeIsAProblem(super().build_middleware_stack())
        return _Observed(Foremost(self, self.foremost, rest) if self.foremost else rest)


class _TooLargeIsAProblem:
    """The framework answers a body beyond the limit in plain text where the handler did not read it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def replace(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 413:
                replaced = True
                answer = problem(413, "The body is larger than this address takes")
                await answer(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, replace)


class _Observed:
    """A span and two metrics per request, named by the route's template, never by the path that was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status = 500
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with traced(method, Headers(scope=scope).get("traceparent"), SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, watch)
            finally:
                route = _route(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.request.method": method, "http.route": route})
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
                _requests.labels(method, route, status).inc()
                _seconds.labels(method, route).observe(time.perf_counter() - started)


def _route(scope: Scope) -> str:
    """The template, with the prefixes of including routers where FastAPI (0.165) keeps them."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(included, "path_format", None) or getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else "unmatched"

"""The HTTP side of a service: one FastAPI application with our manners."""

import time
from typing import Final

from fastapi import APIRouter, FastAPI
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fj_runtime.problems import SCHEMA, install_problems
from fj_runtime.tracing import traced

MIB: Final = 1024 * 1024
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_requests = Counter("fj_http_requests", "HTTP requests answered", ["method", "route", "status"])
_seconds = Histogram("fj_http_request_seconds", "Time to the end of the answer", ["method", "route"])


def api(service: str, *routers: APIRouter, max_body: int = MIB) -> FastAPI:
    """An application with its contract at `/api/<service>/openapi.json` and problem+json for every error.

    `max_body` is the largest request body in bytes, 413 above it; a route may set its own by FastAPI's
    `max_body_size`. Routers carry their whole paths. Lifespan functions are not run: `main` builds what is needed.
    """
    app = FastAPI(
        title=f"Filmjacket {service}",
        version="1",
        openapi_url=f"/api/{service}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=SCHEMA,
        max_body_size=max_body,
        middleware=[Middleware(_Observed)],
        # FastAPI's own spans carry the query string, which names patients; ours carry the route's template.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for router in routers:
        app.include_router(router)
    install_problems(app)
    return app


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
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unmatched"

"""Routes of which thousands a second are asked for, before all others and with little around them."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Foremost:
    """Answers some routes itself: errors are problems there too, but bodies are not limited, and nothing is injected.

    What FastAPI puts around a request costs as much as a short answer does.
    """

    def __init__(self, app: FastAPI, routes: Sequence[Route], rest: ASGIApp) -> None:
        handlers = dict(app.exception_handlers)
        last = handlers.pop(Exception, None)
        self._app = app
        self._routes = routes
        self._answering = ServerErrorMiddleware(ExceptionMiddleware(_answer, handlers), last)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for route in self._routes:
                match, found = route.matches(scope)
                if match is not Match.NONE:
                    scope.update(found, app=self._app, route=route)
                    await self._answering(scope, receive, send)
                    return
        await self._rest(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """A method that the route does not have is refused by it."""
    await scope["route"].handle(scope, receive, send)

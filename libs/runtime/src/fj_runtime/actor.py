"""The acting user of a changing HTTP call."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from fj_runtime.oidc import Issuer, TokenRefused
from fj_runtime.problems import Problem
from fj_runtime.settings import ServiceSettings, is_loopback

HEADER: Final = "X-FJ-User"
_NAME_MAX: Final = 128
_NAMELESS: Final = "-"


class Doorkeeper:
    """Who acts: a bearer token of the issuer where one is set, else the named user while only loopback is served."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._open = is_loopback(settings.http_host)
        self._issuer: Issuer | None = None
        if settings.oidc_issuer is not None and settings.oidc_audience is not None:
            self._issuer = Issuer(settings.oidc_issuer, settings.oidc_audience, settings.oidc_roles_claim)

    async def identify(self, request: Request, token: str | None, name: str | None, role: str | None = None) -> str:
        """The user. Raises Problem 401, 403 without the role, or 503 while the issuer's keys cannot be had.

        Where no issuer is set, nobody has roles, and whoever is on this machine may do all.
        """
        if self._issuer is None:
            return self._named(request, name or "")
        if not token:
            raise _unauthorized("A bearer token is needed")
        try:
            person = await self._issuer.person(token)
        except TokenRefused as refused:
            raise _unauthorized(str(refused), 'Bearer error="invalid_token"') from None
        if role is not None and role not in person.roles:
            raise Problem(403, f"This needs the role {role}")
        return person.name

    def _named(self, request: Request, header: str) -> str:
        if not (self._open and _from_here(request)):
            raise _unauthorized("No issuer of tokens is set, and without one only loopback may act")
        name = _decoded(header).strip()
        if not name or len(name) > _NAME_MAX or not name.isprintable():
            raise _unauthorized(f"The header {HEADER} must name the acting user")
        return name


def install_actor(app: FastAPI, settings: ServiceSettings) -> None:
    """Make `Actor` work in the routes of `app`; `serve` does it."""
    app.state.doorkeeper = Doorkeeper(settings)


async def _acting_user(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
    name: Annotated[str | None, Security(APIKeyHeader(name=HEADER, auto_error=False))],
) -> str:
    keeper: Doorkeeper = request.app.state.doorkeeper
    return await keeper.identify(request, bearer.credentials if bearer else None, name)


Actor = Annotated[str, Depends(_acting_user)]
"""Parameter of a route that changes something: the user's name, to travel as `actor` on the event."""


def acting_as(role: str) -> Any:
    """Who acts, for a route that only users with this role may call: `Annotated[str, <this>]` is its parameter."""

    async def acting_user(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
        name: Annotated[str | None, Security(APIKeyHeader(name=HEADER, auto_error=False))],
    ) -> str:
        keeper: Doorkeeper = request.app.state.doorkeeper
        return await keeper.identify(request, bearer.credentials if bearer else None, name, role)

    return Depends(acting_user)


async def _acting_machine(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
    name: Annotated[str | None, Security(APIKeyHeader(name=HEADER, auto_error=False))],
) -> str | None:
    keeper: Doorkeeper = request.app.state.doorkeeper
    user = await keeper.identify(request, bearer.credentials if bearer else None, name or _NAMELESS)
    return None if user == _NAMELESS else user


MachineActor = Annotated[str | None, Depends(_acting_machine)]
"""Like `Actor`, for routes of a standard that machines use (DICOMweb): where no issuer is set, they need no name."""


async def is_known(request: Request, role: str) -> bool:
    """Whether a reading call names a user who has this role, as `acting_as` would ask it. Raises Problem 503.

    For doors that show everybody something, and some more.
    """
    keeper: Doorkeeper = request.app.state.doorkeeper
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    try:
        await keeper.identify(request, bearer, request.headers.get(HEADER), role)
    except Problem as problem:
        if problem.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return False
        raise
    return True


def _from_here(request: Request) -> bool:
    """Whether the call began on this machine and was meant for it.

    The peer is loopback and so is everyone whom a proxy names; and so is the host that was asked for, else any web page
    whose name its owner lets resolve to 127.0.0.1 could act here through a visitor's browser.
    """
    named = ",".join(request.headers.getlist("X-Forwarded-For"))
    hops = [hop.strip() for hop in named.split(",") if hop.strip()]
    peer = request.client.host if request.client else None
    return is_loopback(peer) and is_loopback(request.url.hostname) and all(is_loopback(hop) for hop in hops)


def _decoded(header: str) -> str:
    """Header text: HTTP gives octets, people's names come as UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _unauthorized(detail: str, challenge: str = "Bearer") -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": challenge})

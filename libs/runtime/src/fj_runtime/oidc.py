"""Bearer tokens of an OpenID Connect issuer, checked against the keys that it publishes."""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from fj_runtime.problems import Problem

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

# Signatures only by the issuer's private key: no shared secrets, no "none".
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
LEEWAY_SECONDS: Final = 30
_FRESH_SECONDS: Final = 600
_STALE_SECONDS_MAX: Final = 3600
_PAUSE_SECONDS: Final = 5
_TIMEOUT_SECONDS: Final = 5
_log = structlog.get_logger("fj_runtime.oidc")


class TokenRefused(Exception):
    """The token does not prove who acts. The text is for the caller."""


class Person(NamedTuple):
    """Whom a token names."""

    name: str
    roles: frozenset[str]


class Issuer:
    """One issuer, its published keys cached for ten minutes.

    A key id that is not known makes one refresh for all who wait, at most every five seconds, so that invented ids
    cannot make us hammer the issuer. While it cannot be reached, keys stay good for an hour.
    """

    def __init__(self, issuer: str, audience: str, roles_claim: str = "roles") -> None:
        self._issuer = issuer
        self._roles_claim = roles_claim
        self._audience = audience
        self._keys: KeySet | None = None
        self._fetched = 0.0
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def user(self, token: str) -> str:
        """The user whom the token names. Raises TokenRefused, or Problem 503 while there are no keys."""
        return (await self.person(token)).name

    async def person(self, token: str) -> "Person":
        """The user whom the token names, with roles. Raises as `user` does."""
        from joserfc import jwt  # noqa: PLC0415 - only where tokens are used
        from joserfc.errors import JoseError  # noqa: PLC0415

        try:
            keys = await self._keys_for(_key_id(token))
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
            self._registry().validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise TokenRefused(f"The token is not accepted: {type(error).__name__}") from None
        name = claims.get("preferred_username") or claims.get("sub")
        if not isinstance(name, str) or not name:
            raise TokenRefused("The token names no user")
        return Person(name, _roles(claims, self._roles_claim))

    def _registry(self) -> Any:
        from joserfc.jwt import JWTClaimsRegistry  # noqa: PLC0415

        return JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
        )

    async def _keys_for(self, kid: str | None) -> "KeySet":
        if self._keys is None or self._lacks(kid) or time.monotonic() - self._fetched > _FRESH_SECONDS:
            await self._refresh()
        if self._keys is None or time.monotonic() - self._fetched > _STALE_SECONDS_MAX:
            raise Problem(503, "The keys of the token's issuer cannot be had", {"Retry-After": str(_PAUSE_SECONDS)})
        return self._keys

    def _lacks(self, kid: str | None) -> bool:
        return self._keys is not None and kid is not None and all(key.kid != kid for key in self._keys.keys)

    async def _refresh(self) -> None:
        before = self._asked
        async with self._lock:
            another_asked = self._asked != before
            if another_asked or time.monotonic() - self._asked < _PAUSE_SECONDS:
                return
            try:
                self._keys = await _fetch(self._issuer)
                self._fetched = time.monotonic()
            except Exception:  # noqa: BLE001 - whatever it was, the keys at hand decide
                _log.warning("the issuer's keys cannot be had", exc_info=True)
            finally:
                self._asked = time.monotonic()


def _roles(claims: Mapping[str, Any], place: str) -> frozenset[str]:
    """What stands in a claim, or deeper: `realm_access.roles`."""
    found: Any = claims
    for step in place.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return frozenset(role for role in found if isinstance(role, str)) if isinstance(found, list) else frozenset()


def _key_id(token: str) -> str | None:
    from joserfc.jws import extract_compact  # noqa: PLC0415

    kid = extract_compact(token.encode()).headers().get("kid")
    return kid if isinstance(kid, str) else None


async def _fetch(issuer: str) -> "KeySet":
    import httpx  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import JWKRegistry, KeySet  # noqa: PLC0415

    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        document = await _json(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise ValueError("the discovery document is another issuer's")
        published = await _json(client, document["jwks_uri"])
    keys = []
    for entry in published["keys"]:
        if entry.get("use", "sig") != "sig":
            continue
        try:
            keys.append(JWKRegistry.import_key(entry))
        except (JoseError, ValueError):
            continue  # a kind of key that this library does not know cannot have signed what it can check
    return KeySet(keys)


async def _json(client: Any, address: str) -> dict[str, Any]:
    answer = await client.get(address)
    answer.raise_for_status()
    document = answer.json()
    if not isinstance(document, dict):
        raise TypeError("not a JSON object")
    return document

"""Bearer tokens, against a small issuer on loopback."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request
from fj_runtime import Problem, ServiceSettings
from fj_runtime.actor import Doorkeeper
from fj_runtime.oidc import Issuer, TokenRefused
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from pydantic import SecretStr

if TYPE_CHECKING:
    from .conftest import Start


class Settings(ServiceSettings):
    """Of some service."""


class LocalIssuer:
    """Publishes keys, counts how often it is asked, can be broken."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/realms/demo"
        self.name = self.address
        self.keys: list[Key] = [rsa("k1"), ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "k2"})]
        self.asked = 0
        self.broken = False
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def token(self, key: Key | None = None, algorithm: str = "RS256", kid: str | None = None, **claims: Any) -> str:
        given = {"iss": self.address, "aud": ["account", "filmjacket"], "sub": "u-17", "exp": int(time.time()) + 60}
        given |= {"preferred_username": "dr.house"} | claims
        kept = {name: value for name, value in given.items() if value is not None}
        key = key or self.keys[0]
        named = key.kid if kid is None else kid
        return jwt.encode({"alg": algorithm} | ({"kid": named} if named else {}), kept, key, [algorithm])

    def documents(self) -> dict[str, Any]:
        published = [key.as_dict(private=False) for key in self.keys]
        encryption = rsa("enc").as_dict(private=False) | {"use": "enc"}
        unknown = {"kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44", "pub": "AA"}
        return {
            "/realms/demo/.well-known/openid-configuration": {"issuer": self.name, "jwks_uri": f"{self.address}/certs"},
            "/realms/demo/certs": {"keys": [encryption, unknown, *published]},
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document = issuer.documents().get(self.path)
                issuer.asked += self.path.endswith("/certs")
                self.send_response(500 if issuer.broken else 200)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@cache
def rsa(kid: str, _: int = 0) -> RSAKey:
    """A key pair; they take a while to make."""
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": kid})


@pytest.fixture
def local(free_port: Callable[[], int]) -> Iterator[LocalIssuer]:
    issuer = LocalIssuer(free_port())
    yield issuer
    issuer.close()


@pytest.fixture
def issuer(local: LocalIssuer) -> Issuer:
    return Issuer(local.address, "filmjacket")


async def test_the_user_is_the_preferred_name_else_the_subject(local: LocalIssuer, issuer: Issuer) -> None:
    assert await issuer.user(local.token()) == "dr.house"
    assert await issuer.user(local.token(preferred_username=None)) == "u-17"
    assert await issuer.user(local.token(local.keys[1], "ES256")) == "dr.house"
    assert await issuer.user(local.token(aud="filmjacket")) == "dr.house"
    assert local.asked == 1


async def test_roles_stand_in_a_claim_or_deeper(local: LocalIssuer) -> None:
    for place, claims in (("roles", {"roles": ["a", 1, "b"]}), ("realm.roles", {"realm": {"roles": ["a", "b"]}})):
        issuer = Issuer(local.address, "filmjacket", place)
        assert (await issuer.person(local.token(**claims))).roles == {"a", "b"}
        assert (await issuer.person(local.token(roles="a", realm=["roles"]))).roles == frozenset()


async def test_who_lacks_the_role_is_refused(local: LocalIssuer) -> None:
    settings = Settings(
        http_port=21999,
        postgres=SecretStr("postgresql://a@b/c"),
        patient_namespace=SecretStr("7c0e1f0e-0c56-4b36-9f0d-8f5b9ad3d3aa"),
        oidc_issuer=local.address,
        oidc_audience="filmjacket",
    )
    keeper, request = Doorkeeper(settings), Request({"type": "http", "headers": []})
    assert await keeper.identify(request, local.token(roles=["reader"]), None, "reader") == "dr.house"
    with pytest.raises(Problem) as refused:
        await keeper.identify(request, local.token(roles=["writer"]), None, "reader")
    assert refused.value.status_code == 403


async def test_clocks_may_differ_a_little(local: LocalIssuer, issuer: Issuer) -> None:
    now = int(time.time())
    assert await issuer.user(local.token(exp=now - 20, nbf=now + 20)) == "dr.house"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_000_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"iss": "http://127.0.0.1/other"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"sub": None, "preferred_username": None},
        {"sub": 17, "preferred_username": ""},
    ],
)
async def test_claims_that_do_not_hold_are_refused(local: LocalIssuer, issuer: Issuer, claims: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        await issuer.user(local.token(**claims))


async def test_other_keys_and_algorithms_are_refused(local: LocalIssuer, issuer: Issuer) -> None:
    stranger = rsa("k1", 2)
    shared = OctKey.generate_key(256, {"use": "sig"})
    good = local.token()
    header, _, signature = good.split(".")
    body = local.token(stranger).split(".")[1]
    for token in (
        local.token(stranger),
        local.token(shared, "HS256", kid="k1"),
        local.token(local.keys[1], "ES256", kid="k1"),
        local.token(kid="enc"),
        f"{header}.{body[:-4]}AAAA.{signature}",
        "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.e30.",
        good.rpartition(".")[0] + ".",
        "garbage",
        "a.b.c",
        "é.é.é",
    ):
        with pytest.raises(TokenRefused):
            await issuer.user(token)


async def test_a_token_without_a_key_id_is_refused_where_there_are_several(local: LocalIssuer, issuer: Issuer) -> None:
    with pytest.raises(TokenRefused):
        await issuer.user(local.token(kid=""))


async def test_a_new_key_is_fetched_once_for_all_who_wait(
    local: LocalIssuer, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fj_runtime.oidc._PAUSE_SECONDS", 0)
    await issuer.user(local.token())
    local.keys = [rsa("k3")]
    token = local.token()
    assert set(await asyncio.gather(*(issuer.user(token) for _ in range(30)))) == {"dr.house"}
    assert local.asked == 2


async def test_invented_key_ids_do_not_reach_the_issuer(local: LocalIssuer, issuer: Issuer) -> None:
    await issuer.user(local.token())
    for number in range(20):
        with pytest.raises(TokenRefused):
            await issuer.user(local.token(kid=f"invented-{number}"))
    assert local.asked == 1


async def test_known_keys_outlive_an_issuer_that_is_away_but_not_for_ever(
    local: LocalIssuer, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await issuer.user(local.token())
    local.broken = True
    monkeypatch.setattr("fj_runtime.oidc._FRESH_SECONDS", 0)
    monkeypatch.setattr("fj_runtime.oidc._PAUSE_SECONDS", 0)
    assert await issuer.user(local.token()) == "dr.house"
    monkeypatch.setattr("fj_runtime.oidc._STALE_SECONDS_MAX", 0)
    with pytest.raises(Problem) as caught:
        await issuer.user(local.token())
    assert caught.value.status_code == 503


async def test_without_keys_the_answer_is_503(local: LocalIssuer, issuer: Issuer) -> None:
    local.name = "http://127.0.0.1/another"
    with pytest.raises(Problem) as caught:
        await issuer.user(local.token())
    assert caught.value.status_code == 503
    assert caught.value.headers == {"Retry-After": "5"}


async def test_a_service_with_an_issuer_takes_tokens_and_nothing_else(local: LocalIssuer, start: "Start") -> None:
    demo = await start(FJ_OIDC_ISSUER=local.address, FJ_OIDC_AUDIENCE="filmjacket")
    order = {"patient": {"family_name": "ROE", "number": 1}}

    def place(**headers: str) -> Any:
        return demo.post("/api/demo/orders/1", json=order, headers=headers)

    placed = await asyncio.to_thread(place, Authorization=f"Bearer {local.token()}")
    assert (placed.status_code, placed.json()["actor"]) == (201, "dr.house")
    for headers in ({"X-FJ-User": "me"}, {}, {"Authorization": "Basic bWU6bWU="}, {"Authorization": "Bearer"}):
        answer = await asyncio.to_thread(place, **headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    nameless = await asyncio.to_thread(demo.post, "/api/demo/instances")
    assert nameless.status_code == 401
    expired = await asyncio.to_thread(place, Authorization=f"Bearer {local.token(exp=1)}")
    assert expired.status_code == 401
    assert expired.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert "dr.house" not in demo.text

"""Who acts: over loopback by name, else by a token."""

from typing import TYPE_CHECKING

import pytest
from fastapi import Request
from fj_runtime import Port, Problem, ServiceSettings
from fj_runtime.actor import Doorkeeper
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

if TYPE_CHECKING:
    import httpx

    from .conftest import Process, Start

ORDER = {"patient": {"family_name": "ROE", "number": 1}}


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="DEMO_")

    http_port: Port = 21999


@pytest.fixture(scope="module")
async def demo(start: "Start") -> "Process":
    return await start()


def place(demo: "Process", **headers: str | bytes) -> "httpx.Response":
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return demo.post("/api/demo/orders/1", json=ORDER, headers=named)


def refused(answer: "httpx.Response") -> None:
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_header_names_the_user(demo: "Process") -> None:
    assert place(demo, X_FJ_User="dr.house").json()["actor"] == "dr.house"


def test_the_name_may_be_anyones(demo: "Process") -> None:
    assert place(demo, X_FJ_User="Dr. Müller-Ørsted".encode()).json()["actor"] == "Dr. Müller-Ørsted"


@pytest.mark.parametrize("name", ["", "x" * 129, b"a\tb"])
def test_nobody_is_refused(demo: "Process", name: str | bytes) -> None:
    refused(place(demo, X_FJ_User=name))


def test_a_call_without_a_user_is_refused(demo: "Process") -> None:
    refused(place(demo))


def test_a_gateway_on_this_machine_counts_only_for_callers_on_this_machine(demo: "Process") -> None:
    assert place(demo, X_FJ_User="me", X_Forwarded_For="127.0.0.1").status_code == 201
    assert place(demo, X_FJ_User="me", X_Forwarded_For="::1, 127.0.0.1").status_code == 201
    refused(place(demo, X_FJ_User="me", X_Forwarded_For="10.0.0.9"))
    refused(place(demo, X_FJ_User="me", X_Forwarded_For="127.0.0.1, 10.0.0.9"))
    refused(place(demo, X_FJ_User="me", X_Forwarded_For="unknown"))


def test_a_page_of_another_name_that_resolves_to_this_machine_may_not_act(demo: "Process") -> None:
    refused(place(demo, X_FJ_User="me", Host="rebound.example.org"))
    assert place(demo, X_FJ_User="me", Host="localhost:8080").status_code == 201
    assert place(demo, X_FJ_User="me", Host="[::1]:8080").status_code == 201


def test_a_machine_needs_no_name_but_the_same_place(demo: "Process") -> None:
    def store(**headers: str) -> "httpx.Response":
        return demo.post("/api/demo/instances", headers=headers)

    assert store().json() == {"actor": None}
    assert store(Authorization="Bearer of-nobody").json() == {"actor": None}
    assert store(**{"X-FJ-User": "CT1"}).json() == {"actor": "CT1"}
    refused(store(**{"X-Forwarded-For": "10.0.0.9"}))
    refused(store(Host="rebound.example.org"))


def test_a_read_needs_no_user(demo: "Process") -> None:
    assert demo.get("/api/demo/orders?limit=3").json() == {"limit": 3}


@pytest.mark.parametrize(("host", "peer"), [("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "10.0.0.9"), ("::", "::1")])
async def test_without_tokens_only_loopback_may_act(host: str, peer: str) -> None:
    settings = Settings(
        postgres=SecretStr("postgresql://a@b/c"),
        patient_namespace=SecretStr("7c0e1f0e-0c56-4b36-9f0d-8f5b9ad3d3aa"),
        http_host=host,
    )
    request = Request({"type": "http", "headers": [], "client": (peer, 40000)})
    with pytest.raises(Problem) as caught:
        await Doorkeeper(settings).identify(request, None, "me")
    assert caught.value.status_code == 401

"""All that `make up` starts: up, up again, after kill -9, down, and what the gateway says."""

from http import HTTPStatus

import httpx
import pytest
from fj_local import viewer
from fj_local.inspection import inspect
from fj_local.servers import NAMES, quiet
from fj_local.services import PROCESSES
from fj_local.stack import Stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

GIB = 1024**3
EVERYTHING = [*NAMES, *(process.name for process in PROCESSES), "gateway"]


@pytest.fixture(scope="module")
def gateway(whole_stack: Stack) -> str:
    return f"http://127.0.0.1:{whole_stack.ports['gateway']}"


def pids(stack: Stack) -> dict[str, int | None]:
    running = {name: stack.home.running(name) for name in EVERYTHING}
    return {name: process.pid if process else None for name, process in running.items()}


def test_everything_is_ready_in_less_than_3_gib(whole_stack: Stack) -> None:
    states = list(inspect(whole_stack.home, whole_stack.ports))
    assert [state.name for state in states if not state.ready] == []
    assert sorted(state.name for state in states) == sorted(EVERYTHING)
    assert 0 < sum(state.memory or 0 for state in states) < 3 * GIB


def test_up_again_changes_nothing(whole_stack: Stack) -> None:
    before = pids(whole_stack)
    whole_stack.up()
    assert pids(whole_stack) == before


@pytest.mark.failure
def test_up_restarts_what_has_died_and_nothing_else(whole_stack: Stack) -> None:
    before = pids(whole_stack)
    killed = ("order", "ingest-2")
    for name in killed:
        running = whole_stack.home.running(name)
        assert running is not None
        running.kill()
    whole_stack.up()
    after = pids(whole_stack)
    assert {name for name in EVERYTHING if after[name] != before[name]} == set(killed)
    assert all(after.values())


@pytest.mark.failure
def test_data_is_kept_over_down_and_up(whole_stack: Stack) -> None:
    server = whole_stack.servers().database_server
    server.run_sql("CREATE TABLE kept AS SELECT 7 AS id", "order")
    whole_stack.down()
    assert list(whole_stack.home.run.glob("*.json")) == []
    whole_stack.up()
    assert server.run_sql("SELECT id FROM kept", "order") == "7"


@pytest.mark.parametrize("path", ["/api/nobody/x", "/api", "/api/"])
def test_an_unknown_service_is_a_problem(gateway: str, path: str) -> None:
    answer = httpx.get(gateway + path)
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == HTTPStatus.NOT_FOUND


@pytest.mark.failure
def test_a_service_that_is_down_is_a_problem(whole_stack: Stack, gateway: str) -> None:
    triage = whole_stack.home.running("triage")
    assert triage is not None
    triage.kill()
    answer = httpx.get(f"{gateway}/api/triage/openapi.json")
    whole_stack.up()
    assert (answer.status_code, answer.json()["status"]) == (HTTPStatus.BAD_GATEWAY, HTTPStatus.BAD_GATEWAY)
    assert answer.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{gateway}/api/triage/openapi.json").status_code == HTTPStatus.OK


@pytest.mark.parametrize("service", [process.service for process in PROCESSES if process.name == process.service])
def test_the_gateway_knows_the_way_to_every_service(gateway: str, service: str) -> None:
    answer = httpx.get(f"{gateway}/api/{service}/openapi.json")
    assert answer.status_code == HTTPStatus.OK
    assert answer.json()["info"]["title"] == f"Filmjacket {service}"


def test_a_host_name_of_somebody_else_is_refused(gateway: str) -> None:
    answer = httpx.get(gateway, headers={"Host": "evil.example"})
    assert answer.status_code == HTTPStatus.MISDIRECTED_REQUEST
    assert httpx.get(gateway, headers={"Host": "localhost:1"}).status_code == HTTPStatus.OK


@pytest.mark.skipif(viewer.installation(quiet) is None, reason="the viewer's package cannot be had here")
def test_the_viewer_reads_from_its_own_origin(whole_stack: Stack) -> None:
    address = f"http://127.0.0.1:{whole_stack.ports['viewer']}"
    assert "qidoRoot: '/dicomweb'" in httpx.get(f"{address}/app-config.js").text
    page = httpx.get(f"{address}/viewer?StudyInstanceUIDs=1.2.3")
    assert "/app.bundle" in page.text
    assert httpx.get(f"{address}/dicomweb/studies").status_code in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
    assert httpx.post(f"{address}/dicomweb/studies").status_code == HTTPStatus.METHOD_NOT_ALLOWED

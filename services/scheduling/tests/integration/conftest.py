"""One running `scheduling` per test module, and a modality in front of it."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fj_testing import ServiceProcess, Services

from services.scheduling.tests.builders import Modality
from services.scheduling.tests.desk import Desk


@pytest.fixture(scope="module")
def dimse_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def scheduling(
    request: pytest.FixtureRequest,
    services: Services,
    dimse_port: int,
    mllp_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> ServiceProcess:
    """A module may have a CATALOGUE, SITES and PEERS of its own: what stands in these files."""
    folder = tmp_path_factory.mktemp("settings")
    own = {}
    for setting, name in (("SCHEDULING_CATALOGUE", "CATALOGUE"), ("FJ_SITES", "SITES"), ("FJ_PEERS", "PEERS")):
        if content := getattr(request.module, name, None):
            (folder / name).write_text(content)
            own[setting] = str(folder / name)
    return services.start("scheduling", SCHEDULING_DIMSE_PORT=dimse_port, SCHEDULING_MLLP_PORT=mllp_port, **own)


@pytest.fixture(scope="module")
def modality(scheduling: ServiceProcess, dimse_port: int) -> Modality:
    return Modality(dimse_port)


@pytest.fixture
async def http(scheduling: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=scheduling.http) as client:
        yield client


@pytest.fixture
def desk(http: httpx.AsyncClient) -> Desk:
    return Desk(http)

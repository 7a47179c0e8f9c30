"""One running `scheduling` per test module, and a modality in front of it."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fj_testing import ServiceProcess, Services

from services.scheduling.tests.builders import Modality


@pytest.fixture(scope="module")
def dimse_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def scheduling(services: Services, dimse_port: int, mllp_port: int) -> ServiceProcess:
    return services.start("scheduling", SCHEDULING_DIMSE_PORT=dimse_port, SCHEDULING_MLLP_PORT=mllp_port)


@pytest.fixture(scope="module")
def modality(scheduling: ServiceProcess, dimse_port: int) -> Modality:
    return Modality(dimse_port)


@pytest.fixture
async def http(scheduling: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=scheduling.http) as client:
        yield client

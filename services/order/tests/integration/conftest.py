"""One `order` for each module, and who knocks at its doors."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fj_hl7 import MllpClient
from fj_testing import ServiceProcess, Services

USER = {"X-FJ-User": "tess"}


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def order(services: Services, mllp_port: int) -> ServiceProcess:
    return services.start("order", ORDER_MLLP_PORT=mllp_port)


@pytest.fixture
async def placer(order: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    client = MllpClient("127.0.0.1", mllp_port)
    yield client
    await client.close()


@pytest.fixture
async def http(order: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=order.http, headers=USER) as client:
        yield client

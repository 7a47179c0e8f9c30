"""One running `storage` per test module."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fj_testing import S3, ServiceProcess, Services

from services.storage.tests.builders import Packer
from services.storage.tests.scu import FIND_LIMIT


@pytest.fixture(scope="module")
def dimse_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def storage(services: Services, dimse_port: int) -> ServiceProcess:
    return services.start(
        "storage",
        STORAGE_QUIET_TIME=1,
        STORAGE_MPPS_LIMIT=4,
        STORAGE_DIMSE_PORT=dimse_port,
        STORAGE_FIND_LIMIT=FIND_LIMIT,
    )


@pytest.fixture
async def http(storage: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=storage.http, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def packer(s3: S3) -> Packer:
    return Packer.of(s3)

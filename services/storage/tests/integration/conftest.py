"""One running `storage` per test module."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fj_testing import S3, ServiceProcess, Services

from services.storage.tests.builders import Packer


@pytest.fixture(scope="module")
def storage(services: Services) -> ServiceProcess:
    return services.start("storage", STORAGE_QUIET_TIME=1, STORAGE_MPPS_LIMIT=4)


@pytest.fixture
async def http(storage: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=storage.http, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def packer(s3: S3) -> Packer:
    return Packer.of(s3)

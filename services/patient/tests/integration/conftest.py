"""The service with its doors, and a registration system that speaks to it."""

from collections.abc import AsyncIterator, Callable

import pytest
from fj_hl7 import MllpClient
from fj_testing import ServiceProcess, Services


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def patient(services: Services, mllp_port: int) -> ServiceProcess:
    return services.start("patient", PATIENT_MLLP_PORT=mllp_port)


@pytest.fixture
async def adt(patient: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    client = MllpClient("127.0.0.1", mllp_port)
    yield client
    await client.close()

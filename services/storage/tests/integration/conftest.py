"""One running `storage` per test module."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import yaml
from fj_testing import S3, ServiceProcess, Services

from services.storage.tests.builders import Packer
from services.storage.tests.scu import FIND_LIMIT, Workstation


@pytest.fixture(scope="module")
def dimse_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def peer_ports(free_port: Callable[[], int]) -> dict[str, int]:
    """Where the peers of the storage under test listen, while a test lets them."""
    return {title: free_port() for title in ("WS1", "WS4", "NOBODY", "CT1", "CT2", "LATER", "IAN1", "ORTHANC")}


@pytest.fixture(scope="module")
def peers(peer_ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FJ_PEERS."""
    path = tmp_path_factory.mktemp("peers") / "peers.yaml"
    entries = {title: {"host": "127.0.0.1", "port": port} for title, port in peer_ports.items()}
    entries["WS4"]["associations"] = 4
    path.write_text(yaml.safe_dump(entries))
    return path


@pytest.fixture(scope="module")
def routes() -> str:
    """FJ_ROUTES; a module may have its own."""
    return ""


@pytest.fixture(scope="module")
def storage(services: Services, dimse_port: int, peers: Path, routes: str) -> ServiceProcess:
    return services.start(
        "storage",
        STORAGE_QUIET_TIME=1,
        STORAGE_MPPS_LIMIT=4,
        STORAGE_DIMSE_PORT=dimse_port,
        STORAGE_FIND_LIMIT=FIND_LIMIT,
        FJ_PEERS=str(peers),
        STORAGE_COMMITMENT_PATIENCE=3,
        **({"FJ_ROUTES": routes} if routes else {}),
    )


@pytest.fixture(scope="module")
def workstation(storage: ServiceProcess, dimse_port: int) -> Workstation:
    return Workstation(dimse_port)


@pytest.fixture
async def http(storage: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=storage.http, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def packer(s3: S3) -> Packer:
    return Packer.of(s3)

"""One running `storage` per test module."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
import yaml
from fj_testing import S3, Log, ServiceProcess, Services
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.scu import FIND_LIMIT, Workstation
from services.storage.tests.studies import Study


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
def lifecycle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A module may have RULES of its own (FJ_LIFECYCLE). They are looked at all the time, and what they say is done."""
    if not hasattr(request.module, "RULES"):
        return {}
    path = tmp_path_factory.mktemp("lifecycle") / "lifecycle.yaml"
    path.write_text(request.module.RULES)
    return {"FJ_LIFECYCLE": str(path), "STORAGE_LIFECYCLE_SECONDS": "0.3", "STORAGE_DELETION_DELAY": "0"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """STORAGE_CACHE_FOLDER of a `storage` that is to have one."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def storage(
    request: pytest.FixtureRequest, services: Services, dimse_port: int, peers: Path, lifecycle: dict[str, str]
) -> ServiceProcess:
    """A module may have SETTINGS of its own."""
    routes = request.getfixturevalue("routes")
    settings = {
        "STORAGE_QUIET_TIME": 1,
        "STORAGE_MPPS_LIMIT": 4,
        "STORAGE_DIMSE_PORT": dimse_port,
        "STORAGE_FIND_LIMIT": FIND_LIMIT,
        "FJ_PEERS": str(peers),
        "STORAGE_COMMITMENT_PATIENCE": 3,
        **({"FJ_ROUTES": routes} if routes else {}),
        **lifecycle,
    }
    return services.start("storage", **settings | getattr(request.module, "SETTINGS", {}))


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


@pytest.fixture
async def tess(storage: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the pages of `/api/storage`."""
    async with httpx.AsyncClient(
        base_url=f"{storage.http}/api/storage", headers={"X-FJ-User": "tess"}, timeout=20
    ) as client:
        yield client


@pytest.fixture
async def pool(services: Services) -> AsyncIterator[Pool]:
    """The index's database."""
    async with asyncpg.create_pool(services.database("storage"), min_size=1, max_size=3) as pool:
        yield pool


@pytest.fixture
def study_of(http: httpx.AsyncClient, log: Log, pool: Pool) -> Callable[[Exam], Study]:
    return lambda exam: Study(exam, http, log, pool)

"""One running `ingest` per test module."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fj_testing import S3, Log, Services

from services.ingest.tests.doors import World, store_of


@pytest.fixture(scope="module")
def dimse_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def settings(
    request: pytest.FixtureRequest, dimse_port: int, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str | int]:
    """A module may have SETTINGS of its own, and PEERS: what stands in the file of FJ_PEERS."""
    folder = tmp_path_factory.mktemp("ingest")
    settings: dict[str, str | int] = {"INGEST_DIMSE_PORT": dimse_port, "INGEST_JOURNAL": str(folder / "journal")}
    if hasattr(request.module, "PEERS"):
        (folder / "peers.yaml").write_text(request.module.PEERS)
        settings["FJ_PEERS"] = str(folder / "peers.yaml")
    return settings | getattr(request.module, "SETTINGS", {})


@pytest.fixture(scope="module")
def world(services: Services, log: Log, s3: S3, settings: dict[str, str | int]) -> World:
    return World(services.start("ingest", "all", **settings), log, store_of(s3))


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.process.http, timeout=30) as client:
        yield client

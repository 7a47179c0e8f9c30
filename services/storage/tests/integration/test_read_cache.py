"""The read cache of a running `storage`: from where an image comes does not show, whatever happens to the cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fj_testing import Feed, ServiceProcess, Services, eventually

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.integration.test_retrieving import ALL, FRAMES, get, instance, parts, stored

pytestmark = pytest.mark.servers
DICOM = {"Accept": "application/dicom; transfer-syntax=*"}


@pytest.fixture(scope="module")
def storage(services: Services, cache: Path, dimse_port: int) -> ServiceProcess:
    return services.start(
        "storage", STORAGE_QUIET_TIME=60, STORAGE_CACHE_FOLDER=str(cache), STORAGE_DIMSE_PORT=dimse_port
    )


def packs(cache: Path) -> list[Path]:
    return [file for file in cache.glob("*") if len(file.name) == 40]


async def is_here(http: httpx.AsyncClient, address: str) -> bool:
    return (await http.get(f"{address}/metadata")).status_code == 200


async def read_twice(http: httpx.AsyncClient, cache: Path, address: str, images: list[Image]) -> Path:
    """What is asked for the second time is kept; where."""
    before = set(packs(cache))
    for image in images[:2]:
        assert (await get(http, instance(address, image), DICOM)).content == image.file
    await eventually(lambda: len(set(packs(cache)) - before) == 1)
    return (set(packs(cache)) - before).pop()


async def test_what_was_read_twice_needs_the_object_store_no_more(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, cache: Path
) -> None:
    exam = Exam()
    images = exam.images(4)
    fact = await packer.ship(exam, images)
    await feed.publish(fact)
    address = f"/dicomweb/studies/{exam.study_uid}"
    await eventually(lambda: is_here(http, instance(address, images[0])))
    kept = await read_twice(http, cache, address, images)
    await packer.store.delete(fact.pack.key)
    for image in images:
        assert (await get(http, instance(address, image), DICOM)).content == image.file
        (frame,) = parts(await get(http, f"{instance(address, image)}/frames/1", FRAMES))
        assert frame[1] == image.data_set.PixelData
    study = await get(http, address, ALL)
    assert {body for _, body in parts(study)} == {image.file for image in images}
    kept.write_bytes(b"damaged" * 1000)
    await get(http, instance(address, images[0]), DICOM, 410)


async def test_a_damaged_cache_is_gone_around(feed: Feed, packer: Packer, http: httpx.AsyncClient, cache: Path) -> None:
    exam = Exam()
    images = exam.images(3)
    address = await stored(feed, packer, http, exam, images)
    kept = await read_twice(http, cache, address, images)
    content = bytearray(kept.read_bytes())
    content[len(content) // 3] ^= 1
    kept.write_bytes(content)
    for image in images:
        assert (await get(http, instance(address, image), DICOM)).content == image.file


async def test_a_cache_that_cannot_be_written_only_means_no_cache(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, cache: Path
) -> None:
    exam = Exam()
    images = exam.images(3)
    address = await stored(feed, packer, http, exam, images)
    with away(cache):
        for image in (*images, *images):
            assert (await get(http, instance(address, image), DICOM)).content == image.file


async def test_a_complete_study_is_in_the_cache_before_anybody_asks(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, cache: Path
) -> None:
    exam = Exam(accession=None)
    images = exam.images(3)
    address = await stored(feed, packer, http, exam, images)
    before = set(packs(cache))
    await feed.publish(exam.completed(images, order_id=None, exam_key=exam.study_uid))
    await eventually(lambda: len(set(packs(cache)) - before) == 1)
    assert (await get(http, instance(address, images[0]), DICOM)).content == images[0].file


@contextmanager
def away(folder: Path) -> Iterator[None]:
    """The folder is not there in the block."""
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    try:
        yield
    finally:
        elsewhere.rename(folder)

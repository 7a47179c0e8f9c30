"""Packs that grow old move to another bucket and are read and rebuilt as before, whatever is killed on the way."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fj_bus import Bus, BusSettings
from fj_events import InstancesStored, ObjectRef
from fj_local import seaweedfs
from fj_local.services import script
from fj_objects import Buckets, S3Settings, S3Store
from fj_testing import Feed, Log, ServiceProcess, Services, Stack, eventually
from storage_service.adapters.doomed import PostgresDoomed, delete_from
from storage_service.adapters.lifecycle import load_tiers
from storage_service.adapters.sql import Pool
from storage_service.adapters.tierings import PostgresTierings, copies
from storage_service.domain.tiering import Tier, Tiers
from storage_service.expiring import Deleting
from storage_service.moving import Moving

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.studies import facts_of, is_gone

pytestmark = [pytest.mark.servers, pytest.mark.failure]
NEAR, FAR, FARTHEST = "tier-near", "tier-far", "tier-farthest"
LONG_AGO: Final = date(2011, 5, 6)
RULES: Final = f"""
tiers:
  - name: far-after-a-year
    when: {{modality: XA}}
    after: {{years: 1}}
    to: {{bucket: {FAR}, storage_class: STANDARD_IA}}
"""
FILES: Final = {"Accept": 'multipart/related; type="application/dicom"'}


class Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Archive:
    """A running `storage` with three buckets."""

    process: ServiceProcess
    environment: dict[str, str]
    stores: dict[str, S3Store]
    feed: Feed
    log: Log

    @property
    def packer(self) -> Packer:
        return Packer(self.stores[NEAR], NEAR)

    async def has(self, bucket: str, key: str) -> bool:
        return not await is_gone(self.stores[bucket], key)

    async def class_of(self, bucket: str, key: str) -> str | None:
        """The storage class that the object store names; it does not name its standard one."""
        settings = S3Settings.model_validate(
            {
                "endpoint": self.environment["FJ_S3_ENDPOINT"],
                "bucket": bucket,
                "access_key": self.environment["FJ_S3_ACCESS_KEY"],
                "secret_key": self.environment["FJ_S3_SECRET_KEY"],
            }
        )
        link = await Buckets(settings).presigned_get(key, timedelta(minutes=5))
        async with httpx.AsyncClient() as http:
            answer = (await http.get(link)).raise_for_status()
        found: str | None = answer.headers.get("x-amz-storage-class")
        return found

    async def received(self, exam: Exam, images: list[Image]) -> InstancesStored:
        """The images are here, and their study is complete."""
        fact = await self.packer.ship(exam, images)
        await self.feed.publish(fact)

        async def available() -> bool:
            async with httpx.AsyncClient(base_url=self.process.http) as http:
                answer = await http.get(f"/api/storage/studies/{exam.study_uid}")
            return answer.status_code == 200 and answer.json()["available_at"] is not None

        await eventually(available, within=20)
        return fact

    async def gives(self, exam: Exam, images: list[Image]) -> bool:
        async with httpx.AsyncClient(base_url=self.process.http) as http:
            answer = await http.get(f"/dicomweb/studies/{exam.study_uid}", headers=FILES)
        return answer.status_code == 200 and all(image.file in answer.content for image in images)

    async def moves(self, exam: Exam, count: int = 1) -> list[Any]:
        return [record.body for record in await facts_of(self.log, exam, "study.pack_moved.v1", count)]


@pytest.fixture(scope="module")
def settings(stack: Stack) -> dict[str, str]:
    stack.s3()  # it runs
    for bucket in (NEAR, FAR, FARTHEST):
        seaweedfs.create_bucket(stack.servers.ports, bucket)
    secret = stack.servers.credentials.s3_admin
    return {"FJ_S3_BUCKET": NEAR, "FJ_S3_ACCESS_KEY": seaweedfs.ADMIN_KEY, "FJ_S3_SECRET_KEY": secret}


@pytest.fixture(scope="module")
def stores(stack: Stack, settings: dict[str, str]) -> dict[str, S3Store]:
    access = {"access_key": settings["FJ_S3_ACCESS_KEY"], "secret_key": settings["FJ_S3_SECRET_KEY"]}
    return {
        bucket: S3Store(S3Settings.model_validate({"endpoint": stack.s3().endpoint, "bucket": bucket, **access}))
        for bucket in (NEAR, FAR, FARTHEST)
    }


@pytest.fixture(scope="module")
def process(services: Services, settings: dict[str, str], dimse_port: int, lifecycle: dict[str, str]) -> ServiceProcess:
    own = {"STORAGE_QUIET_TIME": "1", **lifecycle, **settings}
    return services.start("storage", STORAGE_DIMSE_PORT=dimse_port, **own)


@pytest.fixture
def environment(services: Services, settings: dict[str, str]) -> dict[str, str]:
    """Of a command that is run by hand."""
    return services.environment("storage") | settings | {"STORAGE_HTTP_PORT": "1"}


@pytest.fixture
def archive(
    process: ServiceProcess, environment: dict[str, str], stores: dict[str, S3Store], feed: Feed, log: Log
) -> Archive:
    return Archive(process, environment, stores, feed, log)


async def test_packs_of_an_old_study_move_and_are_read_from_there_and_a_rebuild_knows_it(archive: Archive) -> None:
    old, young = Exam(modality="XA", study_date=LONG_AGO), Exam(modality="XA", study_date=datetime.now(UTC).date())
    images, others = old.images(3), young.images(1)
    fact, other = await archive.received(old, images), await archive.received(young, others)
    (moved,) = await archive.moves(old)
    assert (moved["rule"], moved["previous"]["bucket"], moved["pack"]["bucket"]) == ("far-after-a-year", NEAR, FAR)
    assert moved["pack"]["sha256"] == fact.pack.sha256
    assert (await archive.stores[FAR].head(fact.pack.key)).sha256 == fact.pack.sha256
    assert await archive.class_of(FAR, fact.pack.key) == "STANDARD_IA"

    async def deleted() -> bool:
        return not await archive.has(NEAR, fact.pack.key)

    await eventually(deleted, within=20)
    assert await archive.gives(old, images)
    assert await archive.has(NEAR, other.pack.key)
    assert await archive.class_of(NEAR, other.pack.key) is None

    archive.process.stop()
    done = await asyncio.to_thread(
        subprocess.run, [script("storage"), "rebuild"], env=archive.environment, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    await asyncio.to_thread(archive.process.start)
    assert await archive.gives(old, images)
    assert await archive.gives(young, others)
    assert len(await archive.moves(old)) == 1


async def test_a_pack_that_is_not_what_was_stored_is_told_and_not_moved(archive: Archive) -> None:
    exam = Exam(modality="CT", study_date=LONG_AGO)
    images = exam.images(2)
    fact = await archive.received(exam, images)
    good = await archive.stores[NEAR].get(fact.pack.key)
    place = good.index(images[0].file) + len(images[0].file) - 3
    await archive.stores[NEAR].delete(fact.pack.key)
    await archive.stores[NEAR].put(fact.pack.key, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    late = exam.images(1, series_number=2, Modality="XA")
    await archive.feed.publish(await archive.packer.ship(replace(exam, modality="XA"), late))

    (told,) = await facts_of(archive.log, exam, "study.damaged.v1")
    assert told.body["instances"] == [images[0].uid]
    assert await archive.has(NEAR, fact.pack.key)
    assert not await archive.has(FAR, fact.pack.key)


class Mover:
    """What moves packs to the farthest tier, in this process, so that it can die where a test wants."""

    def __init__(self, archive: Archive, pool: Pool, folder: Path) -> None:
        unit = Bus(pool, BusSettings(kafka="127.0.0.1:1"), "storage").unit
        self.tierings = PostgresTierings(pool, unit)
        rules = folder / "lifecycle.yaml"
        rules.write_text(
            f"tiers: [{{name: farthest, when: {{modality: ES}}, after: {{years: 5}}, to: {{bucket: {FARTHEST}}}}}]"
        )
        self.tiers: Tiers = load_tiers(rules)
        self.copy = copies(archive.stores.__getitem__, lambda bucket, _: archive.stores[bucket])
        self.deleting = Deleting(PostgresDoomed(pool), delete_from(archive.stores.__getitem__))
        self.pool = pool

    def moving(self) -> Moving:
        return Moving(self.tiers, self.tierings, self.copy, timedelta(0), 10**9)

    async def restarts(self) -> None:
        """Another process, when the lease of the dead one has ended."""
        await self.pool.execute("UPDATE pack SET moving_until = NULL")


class DiesBeforeCommit(PostgresTierings):
    async def moved(self, *_: Any) -> bool:
        raise Killed


class DiesAfterCommit(PostgresTierings):
    async def moved(self, *arguments: Any) -> bool:
        await super().moved(*arguments)
        raise Killed


def before_copy(mover: Mover) -> None:
    async def dies(stored: ObjectRef, tier: Tier) -> ObjectRef:
        raise Killed(stored, tier)

    mover.copy = dies


def before_commit(mover: Mover) -> None:
    mover.tierings.__class__ = DiesBeforeCommit


def after_commit(mover: Mover) -> None:
    mover.tierings.__class__ = DiesAfterCommit


@pytest.mark.parametrize("stage", [before_copy, before_commit, after_commit])
async def test_a_move_that_is_killed_loses_nothing_and_is_finished(
    archive: Archive, pool: Pool, tmp_path: Path, stage: Callable[[Mover], None]
) -> None:
    exam = Exam(modality="ES", study_date=LONG_AGO)
    images = exam.images(2)
    fact = await archive.received(exam, images)
    mover = Mover(archive, pool, tmp_path)
    stage(mover)
    with pytest.raises(Killed):
        await mover.moving().look()
    assert await archive.gives(exam, images)

    again = Mover(archive, pool, tmp_path)
    await again.restarts()
    await again.moving().look()
    await again.deleting.next()
    assert await archive.gives(exam, images)
    (moved,) = await archive.moves(exam)
    assert (moved["pack"]["bucket"], moved["rule"]) == (FARTHEST, "farthest")

    async def deleted() -> bool:
        return not await archive.has(NEAR, fact.pack.key)

    await eventually(deleted, within=20)
    assert await archive.has(FARTHEST, fact.pack.key)
    assert await archive.gives(exam, images)


async def test_a_copy_that_nobody_finishes_is_deleted_and_never_under_a_pack_that_is_read(
    archive: Archive, pool: Pool, tmp_path: Path
) -> None:
    exam = Exam(modality="ES", study_date=LONG_AGO)
    images = exam.images(1)
    fact = await archive.received(exam, images)
    mover = Mover(archive, pool, tmp_path)
    before_commit(mover)
    with pytest.raises(Killed):
        await mover.moving().look()
    assert await archive.has(FARTHEST, fact.pack.key)
    await pool.execute("UPDATE doomed_object SET due_at = now() WHERE key = $1", fact.pack.key)

    async def deleted() -> bool:
        return not await archive.has(FARTHEST, fact.pack.key)

    await eventually(deleted, within=20)
    assert await archive.gives(exam, images)

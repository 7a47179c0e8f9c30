"""The way of a segment to its pack and fact, cut at every stage and taken up again by another process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from fj_bus import Bus, BusSettings
from fj_dicom import file_header
from fj_events import Source
from fj_objects import NoSuchObject, ObjectInfo, S3Store
from fj_packs.pack import Defaults, Identity, Origin
from fj_testing import Services
from fj_testing.stack import S3
from ingest_service.adapters.journal import FolderJournal, Limits
from ingest_service.adapters.postgres import PostgresDigests, PostgresUnit
from ingest_service.adapters.sealed import SealedSegment, take
from ingest_service.handlers import Shipped, ship
from pydicom import Dataset

from services.ingest.tests.builders import CT, EXPLICIT, an_instance, encoded
from services.ingest.tests.doors import store_of

pytestmark = [pytest.mark.servers, pytest.mark.failure]
NAMESPACE = UUID(int=1)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
async def pool(services: Services) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    async with asyncpg.create_pool(services.database("ingest"), min_size=1, max_size=3) as pool:
        yield pool


class Chain:
    """A journal, and the way out of it."""

    def __init__(self, folder: Path, pool: "asyncpg.Pool[asyncpg.Record]", packs: S3Store) -> None:
        self.folder = folder
        self.pool = pool
        self.packs = packs
        self.digests = PostgresDigests(pool, Bus(pool, BusSettings(kafka="127.0.0.1:1"), "ingest").unit)

    def receive(self, *datasets: Dataset) -> None:
        """One association that brings these."""
        writer = FolderJournal([self.folder], Limits(2**20, 5, 30, 0), lambda: None).writer(
            Origin(Source.DIMSE, "MAIN")
        )
        for dataset in datasets:
            sop, study, series = dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID
            entry = writer.begin(Identity(CT, sop, series, study, EXPLICIT), file_header(CT, sop, EXPLICIT, "CT9"))
            entry.write(encoded(dataset))
            entry.commit()
        writer.close()

    def take(self) -> SealedSegment:
        """The oldest segment, taken as a process does that has just started."""
        return next(take([self.folder], lambda origin: Defaults(origin.site, origin.site)))

    async def ship(self, segment: SealedSegment) -> Shipped:
        """All the way."""
        try:
            return await ship(segment, self.digests, self.packs, NAMESPACE)
        finally:
            segment.release()

    async def facts(self, study: str) -> int:
        """How many have been stated."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM bus.outbox WHERE key = $1", study)
        return count

    async def forgets(self, study: str) -> datetime | None:
        """As when the study is retired."""
        async with self.digests.unit(study) as unit:
            return await unit.forget()

    async def has_pack(self, key: str) -> bool:
        """Whether the object store has this object."""
        try:
            await self.packs.head(key)
        except NoSuchObject:
            return False
        return True


@pytest.fixture
def chain(tmp_path: Path, pool: "asyncpg.Pool[asyncpg.Record]", s3: S3) -> Chain:
    return Chain(tmp_path, pool, store_of(s3))


class DiesBeforePut(S3Store):
    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        raise Killed(key, path)


class DiesAfterPut(S3Store):
    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        await super().put_file(key, path)
        raise Killed


class DiesBeforeCommit(PostgresDigests):
    @asynccontextmanager
    async def unit(self, study_instance_uid: str) -> AsyncIterator[PostgresUnit]:
        async with super().unit(study_instance_uid) as unit:
            yield unit
            raise Killed


class DiesAfterCommit(PostgresDigests):
    @asynccontextmanager
    async def unit(self, study_instance_uid: str) -> AsyncIterator[PostgresUnit]:
        async with super().unit(study_instance_uid) as unit:
            yield unit
        raise Killed


class ForgottenBeforeTheLock(PostgresDigests):
    @asynccontextmanager
    async def unit(self, study_instance_uid: str) -> AsyncIterator[PostgresUnit]:
        async with super().unit(study_instance_uid) as unit:
            await unit.forget()
        async with super().unit(study_instance_uid) as unit:
            yield unit


def before_put(chain: Chain) -> None:
    chain.packs.__class__ = DiesBeforePut


def after_put(chain: Chain) -> None:
    chain.packs.__class__ = DiesAfterPut


def before_commit(chain: Chain) -> None:
    chain.digests.__class__ = DiesBeforeCommit


def after_commit(chain: Chain) -> None:
    chain.digests.__class__ = DiesAfterCommit


def revive(chain: Chain) -> None:
    chain.packs.__class__ = S3Store
    chain.digests.__class__ = PostgresDigests


async def die(chain: Chain, at: Callable[[Chain], None]) -> SealedSegment:
    """Ship the oldest segment and die on the way."""
    at(chain)
    segment = chain.take()
    with pytest.raises(Killed):
        await chain.ship(segment)
    revive(chain)
    return segment


@pytest.mark.parametrize("stage", [before_put, after_put, before_commit, after_commit])
async def test_a_segment_killed_on_its_way_arrives_once(chain: Chain, stage: Callable[[Chain], None]) -> None:
    sent = an_instance()
    chain.receive(sent)
    killed = await die(chain, stage)
    await chain.ship(chain.take())
    assert await chain.facts(sent.StudyInstanceUID) == 1
    assert await chain.has_pack(killed.key)
    assert not list(chain.folder.iterdir())


@pytest.mark.parametrize("stage", [before_put, after_put, before_commit])
async def test_a_study_sent_again_after_the_kill_leaves_one_pack(chain: Chain, stage: Callable[[Chain], None]) -> None:
    sent = an_instance()
    chain.receive(sent)
    killed = await die(chain, stage)
    hidden = killed.path.rename(chain.folder.parent / killed.path.name)
    chain.receive(sent)
    second = chain.take()
    assert await chain.ship(second) is Shipped.PACKED
    hidden.rename(killed.path)
    assert await chain.ship(chain.take()) is Shipped.NOTHING_NEW
    assert await chain.facts(sent.StudyInstanceUID) == 1
    assert [await chain.has_pack(key) for key in (killed.key, second.key)] == [False, True]
    assert not list(chain.folder.iterdir())


async def test_a_pack_that_was_told_stays_though_its_study_was_forgotten_and_came_again_before_the_segment_was_deleted(
    chain: Chain,
) -> None:
    sent = an_instance()
    chain.receive(sent)
    killed = await die(chain, after_commit)
    hidden = killed.path.rename(chain.folder.parent / killed.path.name)
    await chain.forgets(sent.StudyInstanceUID)
    chain.receive(sent)
    second = chain.take()
    assert await chain.ship(second) is Shipped.PACKED
    hidden.rename(killed.path)
    assert await chain.ship(chain.take()) is Shipped.NOTHING_NEW
    assert [await chain.has_pack(key) for key in (killed.key, second.key)] == [True, True]


async def test_a_forgotten_segment_that_is_taken_up_again_is_told_again(chain: Chain) -> None:
    sent = an_instance()
    chain.receive(sent)
    await die(chain, after_commit)
    await chain.forgets(sent.StudyInstanceUID)
    assert await chain.ship(chain.take()) is Shipped.PACKED
    assert await chain.facts(sent.StudyInstanceUID) == 2


async def test_what_came_again_and_was_taken_for_known_is_said_once_when_the_study_is_forgotten(chain: Chain) -> None:
    old, new = an_instance("1.2.7.1", "1.2.7.1.1"), an_instance("1.2.7.1", "1.2.7.1.1")
    chain.receive(old)
    await chain.ship(chain.take())
    assert await chain.forgets("1.2.7.1") is None
    chain.receive(old)
    await chain.ship(chain.take())
    before = datetime.now(UTC)
    chain.receive(old, new)
    await chain.ship(chain.take())
    after = datetime.now(UTC)
    again = await chain.forgets("1.2.7.1")
    assert again is not None
    assert before <= again <= after
    assert await chain.forgets("1.2.7.1") is None


async def test_a_study_that_is_forgotten_while_it_comes_again_is_shipped_again(chain: Chain) -> None:
    sent = an_instance()
    chain.receive(sent)
    await chain.ship(chain.take())
    chain.receive(sent)
    chain.digests.__class__ = ForgottenBeforeTheLock
    second = chain.take()
    assert await chain.ship(second) is Shipped.PACKED
    assert await chain.facts(sent.StudyInstanceUID) == 2
    assert await chain.has_pack(second.key)


async def test_a_segment_with_nothing_new_is_never_sent(chain: Chain) -> None:
    sent = an_instance()
    for _ in range(2):
        chain.receive(sent, sent)
    assert await chain.ship(chain.take()) is Shipped.PACKED
    again = chain.take()
    chain.packs.__class__ = DiesBeforePut
    assert await chain.ship(again) is Shipped.NOTHING_NEW
    assert await chain.facts(sent.StudyInstanceUID) == 1


async def test_of_a_segment_only_what_is_new_is_told(chain: Chain) -> None:
    old, new = an_instance("1.2.6.1", "1.2.6.1.1"), an_instance("1.2.6.1", "1.2.6.1.1")
    chain.receive(old)
    await chain.ship(chain.take())
    chain.receive(old, new, new)
    await chain.ship(chain.take())
    bodies = await chain.pool.fetch("SELECT body FROM bus.outbox WHERE key = '1.2.6.1' ORDER BY sequence")
    assert [new.SOPInstanceUID.encode() in row["body"] for row in bodies] == [False, True]
    assert [old.SOPInstanceUID.encode() in row["body"] for row in bodies] == [True, False]
    assert bodies[1]["body"].count(new.SOPInstanceUID.encode()) == 1


async def test_an_object_that_is_not_ours_under_the_name_stops_the_segment(chain: Chain) -> None:
    chain.receive(an_instance())
    segment = chain.take()
    await chain.packs.put(segment.key, b"something else")
    with pytest.raises(Exception, match=segment.key):
        await chain.ship(segment)
    assert len(list(chain.folder.iterdir())) == 1

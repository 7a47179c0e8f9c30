"""What came in many small packs lies in few when its study is complete, and whoever reads meanwhile misses nothing."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx
import pytest
from fj_bus import Bus, BusSettings
from fj_events import InstancesStored, ObjectRef
from fj_local.services import script
from fj_runtime import migrate
from fj_testing import Feed, Log, ServiceProcess, eventually
from storage_service.adapters.directory import Directory
from storage_service.adapters.folding import add_instances
from storage_service.adapters.gathering import PostgresPieces
from storage_service.adapters.index import PostgresIndex
from storage_service.adapters.joining import joiner
from storage_service.adapters.manifests import Manifests
from storage_service.adapters.sql import Pool
from storage_service.domain.joining import Joined, Joint
from storage_service.gathering import Gathering
from storage_service.main import MIGRATIONS

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.studies import facts_of, grace_ends, is_gone, types_of

pytestmark = [pytest.mark.servers, pytest.mark.failure]
FILES: Final = {"Accept": 'multipart/related; type="application/dicom"'}
EXPIRED: Final = "113039"
GRACE: Final = 4.0
RULES: Final = f"rejected: [{{name: expired, codes: ['{EXPIRED}'], after: {{days: 0}}}}]"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def lifecycle(lifecycle: dict[str, str]) -> dict[str, str]:
    """Objects stay for a moment, as who reads in them may finish."""
    return lifecycle | {"STORAGE_DELETION_DELAY": str(GRACE)}


class Room:
    """A study that comes an image at a time."""

    def __init__(self, process: ServiceProcess, packer: Packer, feed: Feed, log: Log, pool: Pool) -> None:
        self.process = process
        self.packer = packer
        self.pool = pool
        self._feed = feed
        self._log = log

    async def ship(self, exam: Exam, images: Sequence[Image]) -> list[InstancesStored]:
        return [await self.packer.ship(exam, [image]) for image in images]

    async def tell(self, *facts: InstancesStored) -> None:
        for fact in facts:
            await self._feed.publish(fact)

    async def objects(self, exam: Exam) -> list[str]:
        rows = await self.pool.fetch("SELECT key FROM pack WHERE study_instance_uid = $1 ORDER BY 1", exam.study_uid)
        return [row["key"] for row in rows]

    async def manifests(self, exam: Exam) -> list[int]:
        rows = await self.pool.fetch(
            "SELECT instances FROM manifest JOIN series USING (series_key)"
            " WHERE study_instance_uid = $1 AND gathered ORDER BY 1",
            exam.study_uid,
        )
        return [row["instances"] for row in rows]

    async def in_packs(self, exam: Exam, count: int, instances: int) -> None:
        async def is_so() -> bool:
            return len(await self.objects(exam)) == count and sum(await self.manifests(exam)) == instances

        await eventually(is_so, within=40)

    async def gives(self, exam: Exam, images: Sequence[Image]) -> bool:
        """Exactly these, bit for bit."""
        async with httpx.AsyncClient(base_url=self.process.http, timeout=30) as http:
            answer = await http.get(f"/dicomweb/studies/{exam.study_uid}", headers=FILES)
            found = (await http.get(f"/dicomweb/studies/{exam.study_uid}/instances")).json()
        uids = [one["00080018"]["Value"][0] for one in found]
        return sorted(uids) == sorted(image.uid for image in images) and all(i.file in answer.content for i in images)

    async def told(self, exam: Exam, type_: str, count: int) -> list[Any]:
        return [one.body for one in await facts_of(self._log, exam, type_, count)]

    async def moved(self, exam: Exam, count: int) -> list[Any]:
        return await self.told(exam, "study.pack_moved.v1", count)

    async def types(self, exam: Exam) -> list[str]:
        return await types_of(self._log, exam)

    async def deleted(self, facts: Sequence[InstancesStored]) -> bool:
        """The objects that they name."""
        return all([await is_gone(self.packer.store, fact.pack.key) for fact in facts])

    async def runs(self, command: str) -> None:
        environment = dict(self.process.program.environment) | {"STORAGE_HTTP_PORT": "1"}
        done = await asyncio.to_thread(
            subprocess.run, [script("storage"), command], env=environment, check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def room(storage: ServiceProcess, packer: Packer, feed: Feed, log: Log, pool: Pool) -> Room:
    return Room(storage, packer, feed, log, pool)


def two_series(exam: Exam) -> list[Image]:
    return [*exam.images(4), *exam.images(3, series_number=2)]


async def test_a_study_that_came_an_image_at_a_time_lies_in_one_pack_and_is_readable_all_the_time(room: Room) -> None:
    exam = Exam()
    images = two_series(exam)
    again = exam.image(images[0].series, 1, 1, SOPInstanceUID=images[0].uid, Rows=8, Columns=32)
    facts = await room.ship(exam, [*images, again])
    await room.tell(*facts)
    await eventually(lambda: room.gives(exam, images), within=40)
    ended = asyncio.Event()

    async def read() -> int:
        times = 0
        while not ended.is_set():
            assert await room.gives(exam, images)
            times += 1
        return times

    reading = asyncio.create_task(read())
    moved = await room.moved(exam, len(facts))
    assert {one["previous"]["key"] for one in moved} == {fact.pack.key for fact in facts}
    (key,) = {one["pack"]["key"] for one in moved}
    assert len({one["begins"] for one in moved}) == len(facts)
    assert await room.objects(exam) == [key]
    assert await room.manifests(exam) == [3, 5]
    await eventually(lambda: room.deleted(facts), within=40)
    ended.set()
    assert await reading > 2
    data = await room.packer.store.get(key)
    assert again.file in data, "what has the UID of another is kept"

    late = exam.image(images[0].series, 1, 9)
    await room.tell(*await room.ship(exam, [late]))
    await room.in_packs(exam, 2, 9)
    assert await room.gives(exam, [*images, late])
    before = await room.manifests(exam)
    await asyncio.to_thread(room.process.stop)
    await room.runs("rebuild")
    await asyncio.to_thread(room.process.start)
    await room.in_packs(exam, 2, 9)
    assert await room.manifests(exam) == before
    assert await room.gives(exam, [*images, late])
    assert (await room.types(exam)).count("study.pack_moved.v1") == len(facts)


async def test_a_pack_that_is_mostly_what_was_there_already_is_written_anew_without_it(room: Room) -> None:
    exam = Exam()
    images = exam.images(4, Rows=512, Columns=512, PixelData=bytes(512 * 512 * 2))
    (first,) = [await room.packer.ship(exam, images[:3])]
    second = await room.packer.ship(exam, images)
    await room.tell(first, second)
    (moved,) = await room.moved(exam, 1)
    assert moved["previous"]["key"] == second.pack.key
    assert moved["pack"]["size"] < second.pack.size // 2
    assert await room.gives(exam, images)


async def test_rejected_instances_of_joined_packs_stay_hidden_and_are_removed_from_the_new_one(room: Room) -> None:
    exam = Exam()
    images = two_series(exam)
    facts = await room.ship(exam, images)
    await room.tell(*facts)
    await room.in_packs(exam, 1, 7)
    async with httpx.AsyncClient(base_url=room.process.http, headers={"X-FJ-User": "pacs.admin"}) as http:
        said = {"reason": "as agreed", "code": EXPIRED, "series": images[0].series, "instances": [images[1].uid]}
        assert (await http.post(f"/api/storage/studies/{exam.study_uid}/reject", json=said)).status_code == 200
    kept = [images[0], *images[2:]]
    assert await room.gives(exam, kept)
    await room.told(exam, "study.retired.v1", 1)
    await grace_ends(room.pool, exam)
    await room.in_packs(exam, 1, 6)
    assert await room.gives(exam, kept)
    assert images[1].file not in await room.packer.store.get((await room.objects(exam))[0])


class Archive:
    """The index and the object store, without a service around them: it dies where a test wants."""

    def __init__(self, pool: Pool, packer: Packer) -> None:
        self.pool = pool
        self.packer = packer
        self.join = joiner(lambda _: packer.store)
        self.pieces = PostgresPieces(pool, Bus(pool, BusSettings(kafka="127.0.0.1:1"), "storage").unit)
        manifests = Manifests(pool)
        self.index = PostgresIndex(pool, manifests, Directory(pool, manifests))

    async def receives(self, exam: Exam, images: Sequence[Image]) -> list[InstancesStored]:
        """Each in a pack of its own; the study is complete and silent."""
        facts = [await self.packer.ship(exam, [image]) for image in images]
        async with self.pool.acquire() as connection, connection.transaction():
            await add_instances(connection, facts, datetime.now(UTC))
        said = "UPDATE study_route SET available_at = now(), heard_at = now(), site = 'MAIN'"
        await self.pool.execute(said)
        return facts

    async def look(self) -> None:
        async def warm(_: ObjectRef) -> None: ...

        now = timedelta(0)
        await Gathering(self.pieces, self.join, warm, silence=now, delay=now, bytes_per_second=10**9).look()

    async def lease_ends(self) -> None:
        await self.pool.execute("UPDATE pack SET moving_until = now()")

    async def has(self, exam: Exam, images: Sequence[Image], packs: int) -> bool:
        """Exactly these, bit for bit, in so many packs."""
        found = await self.index.instances(exam.study_uid)
        data = {pack: await self.packer.store.get(pack) for pack in {one.pack for one in found}}
        read = {one.sop_instance_uid: data[one.pack][one.offset : one.end] for one in found}
        return len(data) == packs and len(found) == len(images) and read == {one.uid: one.file for one in images}

    async def doomed(self) -> set[str]:
        return {row["key"] for row in await self.pool.fetch("SELECT key FROM doomed_object")}


@pytest.fixture
async def archive(new_database: Callable[[], str], packer: Packer) -> AsyncIterator[Archive]:
    async with asyncpg.create_pool(new_database(), min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield Archive(pool, packer)


@pytest.mark.parametrize("written", [False, True])
async def test_a_joining_that_is_killed_loses_nothing_and_is_finished(archive: Archive, *, written: bool) -> None:
    exam = Exam()
    images = two_series(exam)
    facts = await archive.receives(exam, images)
    join = archive.join

    async def dies(joint: Joint) -> Joined:
        if written:
            await join(joint)
        raise Killed

    archive.join = dies
    with pytest.raises(Killed):
        await archive.look()
    assert await archive.has(exam, images, packs=7)
    archive.join = join
    await archive.look()  # somebody is at it, for all that is known
    assert await archive.has(exam, images, packs=7)
    assert len(await archive.doomed()) == 1, "what was reserved is deleted if nobody comes back"
    await archive.lease_ends()
    await archive.look()
    assert await archive.has(exam, images, packs=1)
    assert await archive.doomed() == {fact.pack.key for fact in facts}


async def test_what_comes_while_packs_are_joined_is_not_lost_and_they_are_joined_later(archive: Archive) -> None:
    exam = Exam()
    images = two_series(exam)
    await archive.receives(exam, images[:-1])
    join = archive.join

    async def slow(joint: Joint) -> Joined:
        made = await join(joint)
        if len(joint.packs) < len(images):
            await archive.receives(exam, images[-1:])
        return made

    archive.join = slow
    await archive.look()
    assert await archive.has(exam, images, packs=7)
    await archive.lease_ends()
    await archive.look()
    assert await archive.has(exam, images, packs=1)


async def test_a_damaged_pack_is_not_joined_and_hinders_nobody(archive: Archive) -> None:
    exam, other = Exam(), Exam()
    images, others = two_series(exam), two_series(other)
    facts = await archive.receives(exam, images)
    await archive.receives(other, others)
    damaged, place = facts[3].pack.key, facts[3].instances[0].offset + 700
    good = await archive.packer.store.get(damaged)
    await archive.packer.store.delete(damaged)
    await archive.packer.store.put(damaged, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    await archive.look()
    assert await archive.has(other, others, packs=1)
    assert len({one.pack for one in await archive.index.instances(exam.study_uid)}) == 7
    assert not await archive.pool.fetchval("SELECT EXISTS (SELECT FROM manifest WHERE NOT gathered)")

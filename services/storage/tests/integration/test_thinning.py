"""Rejected instances are removed where a rule says so, and what is killed on the way loses nothing of the others."""

import asyncio
import hashlib
import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fj_bus import Bus, BusSettings, Tx
from fj_events import ObjectRef
from fj_local.services import script
from fj_testing import Feed, Log, ServiceProcess, eventually
from storage_service.adapters.keeping_book import PostgresKeepingBook
from storage_service.adapters.keepings import PostgresKeepings
from storage_service.adapters.lifecycle import load_lifecycle
from storage_service.adapters.sql import Pool
from storage_service.adapters.thinnings import PostgresThinnings, writer
from storage_service.domain.thinning import Range, Rewrite
from storage_service.thinning import Thinning

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.studies import facts_of, grace_ends, is_gone, types_of

pytestmark = [pytest.mark.servers, pytest.mark.failure]
PERSON: Final = {"X-FJ-User": "pacs.admin"}
EXPIRED, SAFETY = "113039", "113037"
RULES: Final = f"rejected: [{{name: expired, codes: ['{EXPIRED}'], after: {{days: 0}}}}]"
FILES: Final = {"Accept": 'multipart/related; type="application/dicom"'}


class Killed(BaseException):
    """The process ends here."""


class Room:
    """Studies, seen from outside."""

    def __init__(self, process: ServiceProcess, packer: Packer, feed: Feed, log: Log) -> None:
        self.process = process
        self.packer = packer
        self._feed = feed
        self._log = log

    async def received(self, exam: Exam, images: list[Image], before: Sequence[Image] = ()) -> ObjectRef:
        """They are here beside those that were before, and the study is available; their pack."""
        fact = await self.packer.ship(exam, images)
        await self._feed.publish(fact)

        async def here() -> bool:
            return await self.gives(exam, [*before, *images]) and await self._available(exam)

        await eventually(here, within=20)
        return fact.pack

    async def _available(self, exam: Exam) -> bool:
        async with httpx.AsyncClient(base_url=self.process.http) as http:
            return bool((await http.get(f"/api/storage/studies/{exam.study_uid}")).json()["available_at"])

    async def says(self, exam: Exam, act: str, **more: Any) -> int:
        async with httpx.AsyncClient(base_url=self.process.http, headers=PERSON) as http:
            said = {"reason": "as agreed"} | more
            return (await http.post(f"/api/storage/studies/{exam.study_uid}/{act}", json=said)).status_code

    async def rejects(self, exam: Exam, images: list[Image], code: str = EXPIRED) -> None:
        named = {"series": images[0].series, "instances": [image.uid for image in images]}
        assert await self.says(exam, "reject", code=code, **named) == 200

    async def gives(self, exam: Exam, images: list[Image]) -> bool:
        """Exactly these, bit for bit."""
        async with httpx.AsyncClient(base_url=self.process.http) as http:
            answer = await http.get(f"/dicomweb/studies/{exam.study_uid}", headers=FILES)
            found = (await http.get(f"/dicomweb/studies/{exam.study_uid}/instances")).json()
        uids = {one["00080018"]["Value"][0] for one in found}
        return uids == {image.uid for image in images} and all(image.file in answer.content for image in images)

    async def told(self, exam: Exam, type_: str, count: int = 1) -> list[Any]:
        return [record.body for record in await facts_of(self._log, exam, type_, count)]

    async def types(self, exam: Exam) -> list[str]:
        return await types_of(self._log, exam)

    async def is_gone(self, key: str) -> bool:
        return await is_gone(self.packer.store, key)


@pytest.fixture
def room(storage: ServiceProcess, packer: Packer, feed: Feed, log: Log) -> Room:
    return Room(storage, packer, feed, log)


async def test_a_pack_is_written_anew_without_what_was_rejected(room: Room, pool: Pool) -> None:
    exam = Exam()
    images, others = exam.images(5), exam.images(2, series_number=2)
    pack = await room.received(exam, images)
    await room.received(exam, others, images)
    await room.rejects(exam, [images[1], images[3]])
    (retired,) = await room.told(exam, "study.retired.v1")
    assert (retired["rule"], retired["number_of_instances"], retired["number_left"]) == ("expired", 0, 5)
    kept = [images[0], images[2], images[4], *others]
    assert await room.gives(exam, kept)

    await grace_ends(pool, exam)
    (moved,) = await room.told(exam, "study.pack_moved.v1")
    assert moved["previous"]["key"] == pack.key
    assert moved["pack"]["size"] < pack.size
    (removed,) = await room.told(exam, "study.removed.v1")
    gone = sorted(f"{one.uid} {one.sha256}\n" for one in (images[1], images[3]))
    assert removed["content_sha256"] == hashlib.sha256("".join(gone).encode()).hexdigest()
    assert (removed["number_of_instances"], removed["number_left"], removed["number_of_packs"]) == (2, 5, 1)

    await eventually(lambda: room.is_gone(pack.key), within=20)
    assert await room.gives(exam, kept)
    data = await room.packer.store.get(moved["pack"]["key"])
    assert [image.file in data for image in images] == [True, False, True, False, True]
    assert (await room.types(exam)).count("study.retired.v1") == 1, "what was named has gone"

    await asyncio.to_thread(room.process.stop)
    environment = dict(room.process.program.environment) | {"STORAGE_HTTP_PORT": "1"}
    command = [script("storage"), "rebuild"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    await asyncio.to_thread(room.process.start)
    assert await room.gives(exam, kept)


async def test_a_pack_of_which_nothing_is_kept_goes_and_what_is_rejected_later_has_its_own_grace(
    room: Room, pool: Pool
) -> None:
    exam = Exam()
    images, others = exam.images(2), exam.images(2, series_number=2)
    pack = await room.received(exam, images)
    other = await room.received(exam, others, images)
    await room.rejects(exam, others)
    await room.told(exam, "study.retired.v1")
    await room.rejects(exam, images[:1])
    await grace_ends(pool, exam)
    (removed,) = await room.told(exam, "study.removed.v1")
    assert (removed["number_of_instances"], removed["number_left"]) == (2, 2)
    await eventually(lambda: room.is_gone(other.key), within=20)
    assert not await room.is_gone(pack.key)
    assert len(await room.told(exam, "study.retired.v1", 2)) == 2
    assert await room.gives(exam, images[1:])


async def test_what_is_restored_in_the_grace_or_rejected_for_another_reason_stays(room: Room, pool: Pool) -> None:
    exam, unsafe = Exam(), Exam()
    images, others = exam.images(3), unsafe.images(3)
    pack = await room.received(exam, images)
    await room.received(unsafe, others)
    await room.rejects(exam, images[:1])
    await room.rejects(unsafe, others[:1], SAFETY)
    await room.rejects(unsafe, others[:2])
    await room.told(exam, "study.retired.v1")
    await room.told(unsafe, "study.retired.v1")
    assert await room.says(exam, "restore") == 200
    (recalled,) = await room.told(exam, "study.recalled.v1")
    assert recalled["cause"] == "rule"
    assert await room.gives(exam, images)
    assert not await room.is_gone(pack.key)

    await grace_ends(pool, unsafe)
    (removed,) = await room.told(unsafe, "study.removed.v1")
    assert (removed["number_of_instances"], removed["number_left"]) == (1, 2)
    assert await room.says(unsafe, "restore") == 200
    await eventually(lambda: room.gives(unsafe, [others[0], others[2]]), within=20)


class Remover:
    """What removes instances, in this process, so that it can die where a test wants."""

    def __init__(self, room: Room, pool: Pool, rules: Path) -> None:
        self.write = writer(lambda _: room.packer.store)
        self.thinnings: type[PostgresThinnings] = PostgresThinnings
        self.keepings: type[PostgresKeepings] = PostgresKeepings
        self._unit = Bus(pool, BusSettings(kafka="127.0.0.1:1"), "storage").unit
        self._pool = pool
        self._rules = load_lifecycle(rules)

    def thinning(self) -> Thinning:
        def keepings(tx: Tx) -> PostgresKeepings:
            return self.keepings(tx.connection, tx.emit, "filmjacket")

        return Thinning(
            rules=self._rules,
            book=PostgresKeepingBook(self._pool),
            unit=self._unit,
            keepings=keepings,
            thinnings=lambda tx: self.thinnings(tx.connection),
            write=self.write,
            delay=timedelta(0),
        )


class DiesInTheMiddle(PostgresThinnings):
    async def settle(self, *_: Any) -> int:
        raise Killed


def before_writing(remover: Remover) -> None:
    async def dies(rewrite: Rewrite) -> tuple[ObjectRef, list[Range]]:
        raise Killed(rewrite)

    remover.write = dies


def after_writing(remover: Remover) -> None:
    write = remover.write

    async def dies(rewrite: Rewrite) -> tuple[ObjectRef, list[Range]]:
        await write(rewrite)
        raise Killed

    remover.write = dies


def before_the_commit(remover: Remover) -> None:
    remover.thinnings = DiesInTheMiddle


@pytest.mark.parametrize("stage", [before_writing, after_writing, before_the_commit])
async def test_a_removal_that_is_killed_loses_nothing_and_is_finished(
    room: Room, pool: Pool, lifecycle: dict[str, str], stage: Callable[[Remover], None]
) -> None:
    exam = Exam()
    images = exam.images(4)
    pack = await room.received(exam, images)
    await room.rejects(exam, images[:2])
    await room.told(exam, "study.retired.v1")
    await asyncio.to_thread(room.process.stop)
    await grace_ends(pool, exam)
    remover = Remover(room, pool, Path(lifecycle["FJ_LIFECYCLE"]))
    stage(remover)
    with pytest.raises(Killed):
        await remover.thinning().look()
    assert not await room.is_gone(pack.key)

    await asyncio.to_thread(room.process.start)
    (removed,) = await room.told(exam, "study.removed.v1")
    assert (removed["number_of_instances"], removed["number_left"]) == (2, 2)
    (moved,) = await room.told(exam, "study.pack_moved.v1")
    await eventually(lambda: room.gives(exam, images[2:]), within=20)
    await eventually(lambda: room.is_gone(pack.key), within=20)
    assert not await room.is_gone(moved["pack"]["key"])
    assert await room.gives(exam, images[2:])
    assert (await room.types(exam)).count("study.removed.v1") == 1


async def test_a_damaged_pack_is_not_written_anew(room: Room, pool: Pool) -> None:
    exam = Exam()
    images = exam.images(3)
    pack = await room.received(exam, images)
    good = await room.packer.store.get(pack.key)
    place = good.index(images[2].file) + len(images[2].file) - 3
    await room.packer.store.delete(pack.key)
    await room.packer.store.put(pack.key, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    await room.rejects(exam, images[:1])
    await room.told(exam, "study.retired.v1")
    await grace_ends(pool, exam)
    await asyncio.sleep(3)  # one look of the clock
    assert not await room.is_gone(pack.key)
    assert "study.removed.v1" not in await room.types(exam)

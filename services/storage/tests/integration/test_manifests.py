"""Manifests and the directory in a real database: what was folded is found, by whatever it is named."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import asyncpg
import fj_runtime.migrations
import pytest
from fj_bus import Bus, BusSettings
from fj_events import InstancesStored, ObjectRef, StoredInstance
from fj_runtime import migrate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from storage_service.adapters.book import PostgresStudyBook
from storage_service.adapters.directory import Directory, PostgresListing
from storage_service.adapters.folding import add_instances
from storage_service.adapters.gathering import PostgresPieces
from storage_service.adapters.index import PostgresIndex
from storage_service.adapters.manifests import Content, Manifests
from storage_service.domain.manifest import VERSION
from storage_service.domain.retrieval import Selection
from storage_service.domain.study import Arrival
from storage_service.main import MIGRATIONS

from services.storage.tests.builders import Exam

if TYPE_CHECKING:
    from storage_service.adapters.sql import Connected

    Pool = asyncpg.Pool[asyncpg.Record]

pytestmark = pytest.mark.servers
BEFORE_MANIFESTS: Final = 16
"""Migrations of the schema that had a row for each instance."""
CHANCE = random.Random(5)  # noqa: S311 - nothing secret


class Archive:
    """The index, without a service around it."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        manifests = Manifests(pool)
        self.directory = Directory(pool, manifests)
        self.index = PostgresIndex(pool, manifests, self.directory)
        self.book = PostgresStudyBook(pool)
        self.pieces = PostgresPieces(pool, Bus(pool, BusSettings(kafka="127.0.0.1:1"), "storage").unit)

    async def fold(self, *facts: InstancesStored) -> dict[str, Arrival]:
        async with self.pool.acquire() as connection, connection.transaction():
            return await add_instances(connection, facts, datetime.now(UTC))

    async def listed(self, least: int, together: int = 1000) -> None:
        while await PostgresListing(self.pool, least, together).list_next():
            pass

    async def series_of(self, *uids: str) -> set[str]:
        """Found by nothing but SOP Instance UIDs."""
        return {one.series_instance_uid for one in await self.directory.manifests_with(uids)}

    async def completed(self, exam: Exam) -> None:
        """An hour ago."""
        then = datetime.now(UTC) - timedelta(hours=1)
        said = "UPDATE study_route SET available_at = $2, heard_at = $2 WHERE study_instance_uid = $1"
        await self.pool.execute(said, exam.study_uid, then)

    async def due(self) -> list[str]:
        return await self.pieces.due(datetime.now(UTC) - timedelta(minutes=1), 10)

    async def rows(self) -> list[tuple[int, bool, bool]]:
        """How many instances each manifest has, whether it is gathered, and whether it is listed."""
        rows = await self.pool.fetch("SELECT instances, gathered, listed FROM manifest ORDER BY 2, 1")
        return [tuple(row.values()) for row in rows]

    async def levels(self) -> list[int]:
        rows = await self.pool.fetch("SELECT level FROM directory_volume ORDER BY level")
        return [row["level"] for row in rows]


@pytest.fixture
async def archive(new_database: Callable[[], str]) -> AsyncIterator[Archive]:
    async with asyncpg.create_pool(new_database(), min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield Archive(pool)


def a_pack() -> ObjectRef:
    return ObjectRef(bucket="b", key=f"packs/{uuid4()}.tar", size=1_000_000, sha256="00" * 32)


def instances(count: int, first: int = 1) -> list[StoredInstance]:
    return [
        StoredInstance(
            sop_instance_uid=str(generate_uid()),
            sop_class_uid=CTImageStorage,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            number=number,
            rows=512,
            columns=512,
            offset=number * 2048,
            length=1000,
            data_offset=380,
            sha256=CHANCE.randbytes(32).hex(),
        )
        for number in range(first, first + count)
    ]


def a_fact(
    exam: Exam, of: Sequence[StoredInstance], pack: ObjectRef | None = None, **changed: object
) -> InstancesStored:
    fact = exam.stored(exam.images(1), pack or a_pack(), [0])
    return fact.model_copy(update={"instances": tuple(of), **changed})


def uids(of: Sequence[StoredInstance]) -> list[str]:
    return [one.sop_instance_uid for one in of]


async def test_each_delivery_is_a_row_however_often_and_in_which_order_it_is_told(archive: Archive) -> None:
    exam, packs, told = Exam(), [a_pack(), a_pack()], instances(6)
    series = str(generate_uid())
    facts = [
        a_fact(exam, told[begin : begin + 2], packs[begin // 4], series_instance_uid=series) for begin in (4, 0, 2)
    ]
    for fact in (*facts, facts[0]):
        await archive.fold(fact)
    await archive.fold(*facts)
    counts = await archive.pool.fetch("SELECT instances FROM manifest ORDER BY 1")
    assert [row["instances"] for row in counts] == [2, 2, 2]
    found = await archive.index.instances(exam.study_uid)
    assert [one.sop_instance_uid for one in found] == uids(told)
    assert [one.pack for one in found] == [packs[number // 4].key for number in range(6)]
    (one,) = await archive.index.instances(exam.study_uid, series, told[3].sop_instance_uid)
    assert (one.offset, one.length, one.data_offset) == (told[3].offset, 1000, 380)


async def test_other_bytes_are_kept_beside_the_first_in_every_pack(archive: Archive) -> None:
    exam, series, (first,) = Exam(), str(generate_uid()), instances(1)
    others = [first.model_copy(update={"sha256": f"{number:02}" * 32, "offset": 8192}) for number in (1, 2)]
    pack = a_pack()
    arrivals = [
        (await archive.fold(a_fact(exam, [one], into, series_instance_uid=series)))[exam.study_uid]
        for one, into in ((first, pack), (others[0], pack), (others[1], a_pack()), (others[0], pack))
    ]
    assert [arrival.added for arrival in arrivals] == [1, 0, 0, 0]
    conflicts = [conflict for arrival in arrivals for conflict in arrival.conflicts]
    assert [(one.revision, one.sha256, one.current_sha256) for one in conflicts] == [
        (1, "01" * 32, first.sha256),
        (2, "02" * 32, first.sha256),
    ]
    (current,) = await archive.index.instances(exam.study_uid)
    assert (current.pack, current.offset) == (pack.key, first.offset)
    study = await archive.book.read(exam.study_uid)
    assert study is not None
    assert (study.number_of_instances, study.conflicting_instances) == (1, 2)


async def test_deliveries_of_a_complete_study_are_gathered_as_if_they_had_been_one(archive: Archive) -> None:
    exam, packs, series, told = Exam(), [a_pack(), a_pack()], str(generate_uid()), instances(40)
    other = told[0].model_copy(update={"sha256": "11" * 32, "offset": 900_000})
    for number, one in enumerate([*told, other]):
        await archive.fold(a_fact(exam, [one], packs[number % 2], series_instance_uid=series))
    before = await archive.index.instances(exam.study_uid)
    assert await archive.due() == []
    await archive.completed(exam)
    assert await archive.due() == [exam.study_uid]
    await archive.pieces.gather(exam.study_uid)
    assert await archive.due() == []
    assert await archive.rows() == [(20, True, False), (21, True, False)]
    assert await archive.index.instances(exam.study_uid) == before
    study = await archive.book.read(exam.study_uid)
    assert study is not None
    assert (study.number_of_instances, study.conflicting_instances) == (40, 1)

    again = await archive.fold(a_fact(exam, [told[7], other], packs[1], series_instance_uid=series))
    assert (again[exam.study_uid].added, again[exam.study_uid].conflicts) == (0, ())
    await archive.pieces.gather(exam.study_uid)
    assert await archive.rows() == [(20, True, False), (21, True, False)]
    assert await archive.series_of(told[7].sop_instance_uid) == {series}
    together = await archive.pool.fetchval("SELECT entries FROM manifest ORDER BY instances LIMIT 1")
    exam = Exam()
    await archive.fold(a_fact(exam, told[1::2], series_instance_uid=series))
    assert await archive.pool.fetchval("SELECT entries FROM manifest WHERE NOT gathered") == together


async def test_what_comes_late_is_gathered_beside_the_rest_and_what_was_listed_stays_so(archive: Archive) -> None:
    exam, pack, series, told = Exam(), a_pack(), str(generate_uid()), instances(6)
    for one in told[:4]:
        await archive.fold(a_fact(exam, [one], pack, series_instance_uid=series))
    await archive.listed(least=4)
    await archive.completed(exam)
    await archive.pieces.gather(exam.study_uid)
    assert await archive.rows() == [(4, True, True)]
    for one in told[4:]:
        await archive.fold(a_fact(exam, [one], pack, series_instance_uid=series))
    assert await archive.due() == [], "it has just been heard of"
    await archive.completed(exam)
    assert await archive.due() == [exam.study_uid]
    await archive.pieces.gather(exam.study_uid)
    assert await archive.rows() == [(2, True, False), (4, True, True)]
    assert [one.sop_instance_uid for one in await archive.index.instances(exam.study_uid)] == uids(told)
    assert [await archive.series_of(uid) for uid in uids(told)] == [{series}] * 6


async def test_nothing_is_missed_by_who_reads_while_manifests_are_gathered(archive: Archive) -> None:
    exam, pack, series, told = Exam(), a_pack(), str(generate_uid()), instances(120)
    known: list[str] = []
    ended = asyncio.Event()

    async def read() -> int:
        times = 0
        while not ended.is_set():
            some = list(known)
            found = {one.sop_instance_uid for one in await archive.index.instances(exam.study_uid)}
            assert found >= set(some)
            assert await Archive(archive.pool).series_of(*some[-3:]) == ({series} if some else set())
            times += 1
        return times

    async def gather() -> None:
        while not ended.is_set():
            await archive.pieces.gather(exam.study_uid)
            await archive.listed(least=30)

    async def tell() -> None:
        for one in told:
            await archive.fold(a_fact(exam, [one], pack, series_instance_uid=series))
            known.append(one.sop_instance_uid)
        ended.set()

    times, *_ = await asyncio.gather(read(), gather(), tell())
    assert times > 5
    assert [one.sop_instance_uid for one in await archive.index.instances(exam.study_uid)] == uids(told)


async def test_who_finds_a_manifest_that_is_gathered_before_it_is_read_finds_its_instances(archive: Archive) -> None:
    exam, pack, series, told = Exam(), a_pack(), str(generate_uid()), instances(3)
    for one in told:
        await archive.fold(a_fact(exam, [one], pack, series_instance_uid=series))
    looks = []

    class Slow(Manifests):
        async def _contents(self, keys: Iterable[int], db: "Connected | None") -> Mapping[int, Content]:
            looks.append(list(keys))
            await archive.pieces.gather(exam.study_uid)
            return await super()._contents(looks[-1], db)

    (found,) = await Slow(archive.pool).find("e.study_instance_uid = $1", exam.study_uid)
    assert sorted(found.content.current) == sorted(uids(told))
    assert [len(keys) for keys in looks] == [3]


async def test_an_instance_is_found_by_its_uid_alone_listed_or_not(archive: Archive) -> None:
    told = [instances(7) for _ in range(20)]
    facts = [a_fact(Exam(), of) for of in told]
    await archive.fold(*facts)

    async def all_are_found() -> None:
        for fact, of in zip(facts, told, strict=True):
            assert await archive.series_of(*uids(of)) == {fact.series_instance_uid}
        every = [uid for of in told for uid in uids(of)]
        assert await archive.series_of(*every) == {fact.series_instance_uid for fact in facts}
        assert await archive.series_of(str(generate_uid())) == set()
        selected = await archive.index.selected(Selection(sop_instance_uids=(told[3][2].sop_instance_uid,)))
        assert [one.series_instance_uid for one in selected] == [facts[3].series_instance_uid]

    await all_are_found()
    await archive.listed(least=20)  # three manifests make a volume, the last two wait
    assert await archive.levels() == [1] * 6
    await all_are_found()
    await archive.listed(least=20, together=2)
    assert await archive.levels() == [2] * 3 or await archive.levels() == [2, 3]
    await all_are_found()
    assert await archive.pool.fetchval("SELECT count(*) FROM manifest WHERE NOT listed") == 2


async def test_what_comes_to_a_listed_manifest_and_to_two_series_is_found_too(archive: Archive) -> None:
    exam, pack, series, told = Exam(), a_pack(), str(generate_uid()), instances(4)
    await archive.fold(a_fact(exam, told[:2], pack, series_instance_uid=series))
    await archive.listed(least=1)
    late = a_fact(exam, told[2:], pack, series_instance_uid=series)
    other = a_fact(Exam(), told[:1])
    await archive.fold(late, other)
    both = {series, other.series_instance_uid}
    for _ in range(2):
        assert await archive.series_of(told[3].sop_instance_uid) == {series}
        assert await archive.series_of(told[0].sop_instance_uid) == both
        await archive.listed(least=1)


async def test_a_filled_archive_of_the_older_schema_keeps_all_that_it_has(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = fj_runtime.migrations.packaged
    async with asyncpg.create_pool(new_database(), min_size=1) as pool:
        with monkeypatch.context() as older:
            older.setattr(
                fj_runtime.migrations,
                "packaged",
                lambda package: every(package)[: BEFORE_MANIFESTS if package == "storage_service" else None],
            )
            async with pool.acquire() as connection:
                await migrate(connection, MIGRATIONS)
        exam, pack, series, told = Exam(), a_pack(), str(generate_uid()), instances(5)
        fact = a_fact(exam, told, pack, series_instance_uid=series)
        other = told[1].model_copy(update={"sha256": "77" * 32, "offset": 90_000, "rows": None})
        await filled(pool, fact, other)
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        archive = Archive(pool)
        assert await pool.fetchval("SELECT to_regclass('instance')") is None
        before = await archive.index.instances(exam.study_uid)
        assert [(one.sop_instance_uid, one.offset) for one in before] == [
            (one.sop_instance_uid, one.offset) for one in told
        ]
        assert await archive.series_of(told[4].sop_instance_uid) == {series}
        study = await archive.book.read(exam.study_uid)
        assert study is not None
        assert study.conflicting_instances == 1
        assert await pool.fetchval("SELECT sop_classes FROM series") == [CTImageStorage]
        await archive.listed(least=1)  # in the present layout from then on
        assert await pool.fetchval("SELECT get_byte(entries, 0) FROM manifest") == VERSION
        again = Archive(pool)
        assert await again.index.instances(exam.study_uid) == before
        assert await again.series_of(told[4].sop_instance_uid) == {series}
        arrival = (await again.fold(fact, a_fact(exam, [other], pack, series_instance_uid=series)))[exam.study_uid]
        assert (arrival.added, arrival.conflicts) == (0, ())


async def filled(pool: "Pool", fact: InstancesStored, other: StoredInstance) -> None:
    """As the older release left it: a row for each instance, the last one with the bytes of a conflict."""
    uid, day, pack = fact.study_instance_uid, fact.study.study_date, fact.pack
    await pool.execute(
        "INSERT INTO study_route (study_instance_uid, study_date, site, received_at, last_instance_at)"
        " VALUES ($1, $2, 'MAIN', now(), now())",
        *(uid, day),
    )
    await pool.execute(
        "INSERT INTO study (study_instance_uid, study_date, patient, number_of_series, number_of_instances)"
        " VALUES ($1, $2, '{}', 1, 5)",
        *(uid, day),
    )
    series = await pool.fetchval(
        "INSERT INTO series (study_instance_uid, series_instance_uid, number_of_instances) VALUES ($1, $2, 5)"
        " RETURNING series_key",
        *(uid, fact.series_instance_uid),
    )
    key = await pool.fetchval(
        "INSERT INTO pack (bucket, key, size, sha256) VALUES ($1, $2, $3, $4) RETURNING pack_key",
        *(pack.bucket, pack.key, pack.size, pack.sha256),
    )
    rows = [
        (
            one.sop_instance_uid, series, revision, one.sop_class_uid, one.transfer_syntax_uid, one.number, one.rows,
            one.columns, one.frames, key, one.offset, one.length, one.data_offset, bytes.fromhex(one.sha256),
        )
        for one, revision in (*((one, 0) for one in fact.instances), (other, 1))
    ]  # fmt: skip
    await pool.executemany(
        "INSERT INTO instance VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)", rows
    )

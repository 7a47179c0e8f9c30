"""The fixtures that every other test stands on, against the servers that they start."""

from collections.abc import Callable

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fj_testing import S3, Log, eventually


async def test_a_database_is_empty_and_its_role_owns_it(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist; CREATE TABLE t (id int)")
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1
    await connection.close()


async def test_a_role_may_not_enter_the_database_of_another(new_database: Callable[[], str]) -> None:
    mine, other = new_database(), new_database()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(mine.rpartition("/")[0] + "/" + other.rpartition("/")[2])


async def test_the_log_reads_what_was_published(kafka: str, topic_prefix: str, log: Log) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic_prefix + "things", num_partitions=3, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(20):
            headers = [("ce_type", b"thing.made.v1"), ("ce_sequence", b"%d" % number)]
            await producer.send_and_wait(topic_prefix + "things", b'{"n": %d}' % number, key=b"k", headers=headers)
    records = await log.wait_for("things", count=20)
    assert [record.sequence for record in records] == list(range(20))
    assert {(record.key, record.type, record.topic) for record in records} == {("k", "thing.made.v1", "things")}
    assert records[7].body == {"n": 7}


def test_there_is_an_s3_store(s3: S3) -> None:
    assert s3.endpoint.startswith("http://127.0.0.1:")


async def test_eventually_tells_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"two apples.*last: 1 == 2"):
        await eventually(lambda: _claim(1), within=0.1, what="two apples")


async def test_eventually_takes_the_first_true_answer() -> None:
    seen = iter([0, 0, 7])
    assert await eventually(lambda: next(seen), every=0.01) == 7


def _claim(apples: int) -> bool:
    assert apples == 2, f"{apples} == 2"
    return True

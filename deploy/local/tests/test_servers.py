"""The three servers keep what they were given, however they end."""

import urllib.request
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fj_local.seaweedfs import SOCKETS
from fj_local.servers import NAMES, Servers
from fj_testing import Log, Stack
from fj_testing.stack import own_stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def servers(fragile_stack: Stack) -> Servers:
    fragile_stack.servers.start()
    return fragile_stack.servers


def kill_and_restart(servers: Servers, name: str) -> None:
    running = servers.home.running(name)
    assert running is not None
    running.kill()
    assert servers.home.running(name) is None
    servers.start(name)


@pytest.mark.failure
async def test_postgres_keeps_what_it_committed_after_kill_9(servers: Servers) -> None:
    dsn = servers.database_server.create_database("kept", "pw")
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (7)")
    kill_and_restart(servers, "postgres")
    connection.terminate()
    again = await asyncpg.connect(dsn)
    assert await again.fetchval("SELECT id FROM t") == 7
    await again.close()


@pytest.mark.failure
async def test_kafka_keeps_what_it_acknowledged_after_kill_9(servers: Servers) -> None:
    bootstrap = f"127.0.0.1:{servers.ports['kafka']}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait("kept", b"7")
    kill_and_restart(servers, "kafka")
    assert [record.value for record in await Log(bootstrap).wait_for("kept")] == [b"7"]


@pytest.mark.failure
def test_seaweedfs_keeps_what_it_acknowledged_after_kill_9(servers: Servers) -> None:
    address = f"http://127.0.0.1:{servers.ports['weed-filer']}/buckets/filmjacket/kept"
    with urllib.request.urlopen(urllib.request.Request(address, data=b"7", method="PUT")) as answer:
        assert answer.status == 201
    kill_and_restart(servers, "seaweedfs")
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"7"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_seaweedfs_leaves_nothing_in_the_way_of_another_user(servers: Servers, end: str) -> None:
    ports = {str(port) for name, port in servers.ports.items() if name.startswith(("weed", "s3"))}

    def sockets() -> list[Path]:
        return [path for path in Path(SOCKETS).glob("seaweedfs-*.sock") if path.stem.rpartition("-")[2] in ports]

    running = servers.home.running("seaweedfs")
    assert running is not None
    assert sockets()
    getattr(running, end)()
    assert sockets() == []
    servers.start("seaweedfs")


def test_starting_what_runs_changes_nothing(servers: Servers) -> None:
    before = {name: servers.home.running(name) for name in NAMES}
    servers.start()
    assert {name: servers.home.running(name) for name in NAMES} == before


def test_nothing_listens_beyond_this_machine(servers: Servers) -> None:
    ours = set(servers.ports.values())
    sockets = [
        line.split() for file in ("tcp", "tcp6") for line in Path("/proc/net", file).read_text().splitlines()[1:]
    ]
    addresses = {fields[1] for fields in sockets if fields[3] == "0A" and int(fields[1].split(":")[1], 16) in ours}
    # 127.0.0.1, and the same as Java writes it, mapped into IPv6.
    assert {address.split(":")[0] for address in addresses} <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert addresses


def test_two_stacks_run_side_by_side(servers: Servers) -> None:
    with own_stack() as other:
        other.servers.start("postgres")
        assert other.servers.home.running("postgres") is not None
        assert other.servers.ports["postgres"] != servers.ports["postgres"]
        assert other.postgres().run_sql("SELECT count(*) FROM pg_database WHERE datname = 'kept'") == "0"
    assert servers.home.running("postgres") is not None

"""pytest fixtures: servers, fresh databases, topic prefixes, service processes. Loaded by pytest's entry point."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from fj_local.ports import Claim
from fj_local.postgres import Server
from fj_local.stack import Stack as WholeStack

from fj_testing.feed import Feed
from fj_testing.limits import end_by_cancellation
from fj_testing.log import Log
from fj_testing.processes import Services
from fj_testing.stack import S3, Stack, own_stack, own_whole_stack


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that are coroutines end by cancellation, before pytest-timeout's limit."""
    end_by_cancellation(item)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The servers of this test run. Never kill them: others may use them too; that is what `fragile_stack` is for."""
    file = os.environ.get("FJ_TEST_STACK")
    if file:
        yield Stack.load(Path(file))
        return
    with own_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def fragile_stack() -> Iterator[Stack]:
    """Servers of this module alone, to be killed and restarted: `fragile_stack.servers.start("kafka")`."""
    with own_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def whole_stack() -> Iterator[WholeStack]:
    """All that `make up` starts, on ports of its own (`whole_stack.ports["ORDER_MLLP_PORT"]`).

    Processes may be killed (`whole_stack.home.running("order").kill()`) if `whole_stack.up()` is called after that.
    """
    with own_whole_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> str:
    """Bootstrap address of a real Kafka."""
    return stack.kafka()


@pytest.fixture(scope="session")
def postgres(stack: Stack) -> Server:
    """A real PostgreSQL server. Most tests want `database`."""
    return stack.postgres()


@pytest.fixture(scope="session")
def s3(stack: Stack) -> S3:
    """A real S3 store with one bucket."""
    return stack.s3()


@pytest.fixture(scope="session")
def free_port() -> Iterator[Callable[[], int]]:
    """A function that gives a port nobody listens on, from 20000 to 32000; no other test process is given it."""
    claim = Claim()
    yield claim.take
    claim.close()


@pytest.fixture(scope="module")
def new_database(postgres: Server) -> Iterator[Callable[[], str]]:
    """A function that makes an empty database with a role of its own; the DSN. Dropped at the end of the module."""
    names: list[str] = []

    def make() -> str:
        names.append(f"t{secrets.token_hex(6)}")
        return postgres.create_database(names[-1], secrets.token_hex(8))

    yield make
    for name in names:
        postgres.drop_database(name)


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    """The DSN of a database that this module starts with empty."""
    return new_database()


@pytest.fixture(scope="module")
def topic_prefix() -> str:
    """Put before every topic name and group (`FJ_TOPIC_PREFIX`), so that test modules do not see each other's facts."""
    return f"t{secrets.token_hex(4)}-"


@pytest.fixture(scope="module")
def log(kafka: str, topic_prefix: str) -> Log:
    """Reads the facts of this module's topics."""
    return Log(kafka, topic_prefix)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def feed(kafka: str, topic_prefix: str) -> AsyncIterator[Feed]:
    """Writes facts to this module's topics, in the name of their owners."""
    async with Feed(kafka, topic_prefix) as feed:
        yield feed


@pytest.fixture(scope="module")
def services(
    stack: Stack,
    topic_prefix: str,
    new_database: Callable[[], str],
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    """Starts service processes on this module's topics and databases; stops them at the end of the module."""
    services = Services(stack, topic_prefix, new_database, free_port, tmp_path_factory.mktemp("services"))
    yield services
    services.stop_all()

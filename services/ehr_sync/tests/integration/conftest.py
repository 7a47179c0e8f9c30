"""Facts for the `service` that a module has started."""

from collections.abc import AsyncIterator

import pytest
from fj_testing import Feed, ServiceProcess


@pytest.fixture
async def facts(kafka: str, topic_prefix: str, service: ServiceProcess) -> AsyncIterator[Feed]:
    async with Feed(kafka, topic_prefix) as facts:
        yield facts

"""A world of test-only services on real servers."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))  # tests and the processes that they kill share `libs.bus.tests.world`

from fj_bus import create_topics  # noqa: E402

from libs.bus.tests.world import TOPICS, World, prepare  # noqa: E402


@pytest.fixture(scope="module")
async def world(kafka: str, topic_prefix: str, new_database: Callable[[], str]) -> World:
    """Alpha and beta with their topics and databases, empty at the module's start."""
    await create_topics(kafka, topic_prefix, ["alpha", "beta"], topics=TOPICS)
    world = World(kafka, topic_prefix, {name: new_database() for name in ("alpha", "beta")})
    for dsn in world.dsns.values():
        await prepare(dsn)
    return world

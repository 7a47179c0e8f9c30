"""One whole installation for all stories, and the people around it.

`FJ_E2E_PORT_OFFSET=0 pytest tests/e2e` tells the stories to an installation that runs already.
"""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fj_simulators import Clinic, Doors
from fj_testing import PATIENCE, Log


@pytest.fixture(scope="session")
def doors(request: pytest.FixtureRequest) -> Doors:
    offset = os.environ.get("FJ_E2E_PORT_OFFSET")
    if offset is not None:
        return Doors.offset(int(offset))
    return Doors.of(request.getfixturevalue("whole_stack").ports)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clinic(doors: Doors) -> AsyncIterator[Clinic]:
    async with Clinic(doors, PATIENCE).open() as clinic:
        yield clinic


@pytest.fixture(scope="session")
def events(doors: Doors) -> Log:
    return Log(f"{doors.host}:{doors.kafka}")

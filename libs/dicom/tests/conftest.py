"""What the tests of the SCP share."""

from collections.abc import Callable

import pytest


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def other_port(free_port: Callable[[], int]) -> int:
    return free_port()

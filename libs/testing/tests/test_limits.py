"""A test that takes too long leaves nothing running beside those after it."""

import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import pytest

began = []

async def goes_on():
    began.append("once")
    await asyncio.sleep(600)

@pytest.mark.timeout(5)
async def test_takes_too_long():
    async with asyncio.TaskGroup() as group:
        group.create_task(goes_on())

async def test_comes_after_it():
    assert began == ["once"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
"""


def test_what_a_test_began_ends_with_its_limit(tmp_path: Path) -> None:
    (tmp_path / "test_limit.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_test_loop_scope = session\n"
        "asyncio_default_fixture_loop_scope = session\ntimeout = 60\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-header", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "test_takes_too_long - TimeoutError" in done.stdout

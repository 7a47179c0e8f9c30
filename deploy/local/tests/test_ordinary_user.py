"""The servers start as an ordinary user as they do as root."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fj_local.kafka import installation
from fj_local.servers import quiet
from fj_testing.stack import new_folder

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="every other test runs as an ordinary user already"),
]

NOBODY = 65534
START_AND_STOP = """
import os, sys
from pathlib import Path
from fj_local.home import Home
from fj_local.ports import SERVER_PORTS, Claim
from fj_local.servers import Servers
assert os.geteuid() != 0
servers = Servers(Home(Path(sys.argv[1])), Claim().take_all(SERVER_PORTS))
servers.start()
print(servers.database_server.run_sql("SELECT 6 * 7"))
servers.stop()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def become_ordinary(folder: Path) -> list[str]:
    """Nobody, if nobody can reach this Python; else ourselves in a namespace in which we are not root."""
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if subprocess.run([*nobody, sys.executable, "-c", ""], check=False, capture_output=True).returncode == 0:
        os.chown(folder, NOBODY, NOBODY)
        return nobody
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def test_an_ordinary_user_runs_the_servers(folder: Path, become_ordinary: list[str]) -> None:
    shutil.copytree(installation(quiet), folder / "cache" / installation(quiet).name)
    done = subprocess.run(
        [*become_ordinary, sys.executable, "-c", START_AND_STOP, str(folder / "home")],
        env={"PATH": os.defpath, "FJ_CACHE": str(folder / "cache"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "42", done.stderr

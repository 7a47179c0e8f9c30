"""Processes are known by pid and start, so that nothing else is ever taken for them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fj_local.errors import PortTaken, StartFailed
from fj_local.home import Home
from fj_local.ports import Claim
from fj_local.process import Running
from fj_local.program import Program, halt, launch, tail

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
SLEEPY = "import time; time.sleep(60)"
HALTING = """
import sys
from pathlib import Path
from fj_local.home import Home
from fj_local.program import halt
assert halt(Home(Path(sys.argv[1])), "thing")
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.create()
    yield home
    for name in home.known():
        halt(home, name)


def program(code: str, *, says: str = "", home: Home | None = None, **settings: object) -> Program:
    ready = (lambda: says in tail(home, "thing")) if home is not None else (lambda: True)
    return replace(Program(name="thing", command=[sys.executable, "-c", code], ready=ready), **settings)  # type: ignore[arg-type]  # any field


def test_a_reused_pid_is_neither_taken_for_ours_nor_killed(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEPY]) as stranger:
        time.sleep(2 / os.sysconf("SC_CLK_TCK"))  # the kernel tells starts apart by its clock tick
        launch(home, program(SLEEPY))
        ours = home.running("thing")
        assert ours is not None
        replace(ours, pid=stranger.pid).save(home.pid_file("thing"))
        assert home.running("thing") is None
        assert halt(home, "thing") is False
        assert stranger.poll() is None
        stranger.kill()
        ours.kill()


def test_a_pid_of_before_the_boot_is_not_ours(home: Home) -> None:
    launch(home, program(SLEEPY))
    ours = home.running("thing")
    assert ours is not None
    assert replace(ours, boot="another").alive is False


def test_what_ignores_sigterm_is_killed_after_its_grace(home: Home) -> None:
    launch(home, program(DEAF, says="deaf", home=home, grace=0.3))
    ours = home.running("thing")
    assert ours is not None
    started = time.monotonic()
    halt(home, "thing")
    assert 0.3 <= time.monotonic() - started < 30  # it sleeps for 60
    assert ours.alive is False


def test_a_zombie_does_not_run() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SLEEPY], {})
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    running = Running(pid, int(stat[19]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    before = running.alive
    running.kill()
    assert (before, running.alive) == (True, False)
    os.waitpid(pid, 0)


def test_no_zombie_is_left_of_what_another_process_has_ended(home: Home) -> None:
    """As `filmjacket storage rebuild` ends the storage that somebody else has started."""
    launch(home, program(SLEEPY))
    ours = home.running("thing")
    assert ours is not None
    subprocess.run([sys.executable, "-c", HALTING, str(home.path)], check=True)
    launch(home, replace(program(SLEEPY), name="other"))
    assert not Path(f"/proc/{ours.pid}").exists()


def test_what_runs_is_left_alone_and_what_changed_is_restarted(home: Home) -> None:
    assert launch(home, program(SLEEPY)) is True
    first = home.running("thing")
    assert launch(home, program(SLEEPY)) is False
    assert home.running("thing") == first
    assert launch(home, program(SLEEPY, environment={"QUIET_TIME": "5"})) is True
    assert home.running("thing") != first


def test_a_failed_start_shows_what_the_program_said(home: Home) -> None:
    with pytest.raises(StartFailed, match=r"thing ended before it was ready(.|\n)*no such setting"):
        launch(home, program("raise SystemExit('no such setting')", says="ready", home=home))


def test_a_program_that_is_never_ready_is_given_up(home: Home) -> None:
    with pytest.raises(StartFailed, match=r"not ready within 0.3 s"):
        launch(home, program(SLEEPY, says="ready", home=home, within=0.3))


def test_a_taken_port_is_named(home: Home) -> None:
    claim = Claim()
    port = claim.take()
    listening = (
        f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(60)"
    )
    launch(home, program(listening, says="up", home=home))
    with pytest.raises(PortTaken, match=str(port)):
        launch(home, replace(program(SLEEPY, ports=[port]), name="other"))
    claim.close()


def test_a_large_log_is_set_aside_at_start(home: Home) -> None:
    home.log("thing").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    launch(home, program(DEAF, says="deaf", home=home, grace=0.1))
    assert tail(home, "thing") == "deaf"
    assert home.log("thing").with_suffix(".log.1").stat().st_size > 10 * 1024 * 1024


def test_one_that_was_about_to_end_is_started_anew(home: Home, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    code = (
        f"import pathlib, time; marker = pathlib.Path({str(marker)!r}); first = not marker.exists(); marker.touch()\n"
        "first or print('again', flush=True); time.sleep(0.5 if first else 60)"
    )
    launch(home, program(code))
    assert launch(home, program(code, says="again", home=home)) is True

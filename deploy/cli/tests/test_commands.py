"""What an operator sees."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fj_events import SERVICES
from fj_local.commands import installed
from fj_local.stack import Stack

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def filmjacket(tmp_path: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "FJ_HOME": str(tmp_path), "COLUMNS": "200", **environment}
        command = [installed("filmjacket", "filmjacket"), *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=100)

    return run


def test_a_mistake_is_told_in_words_not_by_a_traceback(filmjacket: Run) -> None:
    done = filmjacket("status", FJ_PORT_OFFSET="99999")
    assert done.returncode == 1
    assert "FJ_PORT_OFFSET is 99999" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("tail", "rumours"), "order-events"),
        (("logs", "nobody"), "there are: none"),
        (("dlq", "list", "nobody"), "there are: patient"),
        (("exam",), "--accession"),
    ],
)
def test_what_is_not_there_is_answered_by_what_is(filmjacket: Run, arguments: tuple[str, ...], told: str) -> None:
    done = filmjacket(*arguments)
    assert done.returncode == 1
    assert told in done.stderr


def test_status_of_nothing_says_so(filmjacket: Run) -> None:
    lines = filmjacket("status").stdout.splitlines()
    assert {tuple(line.split()[1:3]) for line in lines[1:-1]} == {("no", "no")}


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_status_has_one_line_per_process(filmjacket: Run, whole_stack: Stack) -> None:
    done = filmjacket("status", FJ_HOME=str(whole_stack.home.path))
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:-1]}
    assert set(rows) >= {*SERVICES, "ingest-2", "kafka", "postgres", "seaweedfs", "gateway"}
    assert {(row[1], row[2]) for row in rows.values()} == {("yes", "yes")}
    assert rows["order"][5:7] == ["0", "0"], done.stdout
    assert all(cell.isdigit() for service in SERVICES for cell in rows[service][5:7]), done.stdout
    assert rows["order"][-1] == f"mllp://127.0.0.1:{whole_stack.ports['ORDER_MLLP_PORT']}"


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_status_counts_all_dead_letters(filmjacket: Run, whole_stack: Stack) -> None:
    server = whole_stack.servers().database_server
    server.run_sql(
        """INSERT INTO bus.held (consumer, topic, partition, log_offset, key, headers, body, state, due)
        SELECT 'triage', 't', 0, n, 'k' || n, '[]', '', 'dead', 'infinity' FROM generate_series(1, 1234) AS n""",
        "triage",
    )
    done = filmjacket("status", FJ_HOME=str(whole_stack.home.path))
    server.run_sql("DELETE FROM bus.held WHERE topic = 't'", "triage")
    assert [line.split()[6] for line in done.stdout.splitlines() if line.startswith("triage ")] == ["1234"]


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_no_dead_letters_and_an_empty_topic_are_no_error(filmjacket: Run, whole_stack: Stack) -> None:
    home = str(whole_stack.home.path)
    assert filmjacket("dlq", "list", "order", FJ_HOME=home).returncode == 0
    assert filmjacket("tail", "order-events", "--all", "--no-follow", FJ_HOME=home).returncode == 0
    assert "no exam with accession A-NONE" in filmjacket("exam", "--accession", "A-NONE", FJ_HOME=home).stderr
    assert filmjacket("logs", "gateway", "-n", "1", FJ_HOME=home).stdout.strip()


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_without_rules_no_study_is_ever_due(filmjacket: Run, whole_stack: Stack) -> None:
    done = filmjacket("storage", "due", "--on", "2999-01-01", FJ_HOME=str(whole_stack.home.path))
    assert (done.returncode, done.stdout) == (0, "2999-01-01: 0 studies due\n"), done.stderr


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_the_index_of_an_archive_is_made_anew_between_a_stop_and_a_start(filmjacket: Run, whole_stack: Stack) -> None:
    before = whole_stack.home.running("storage")
    done = filmjacket("storage", "rebuild", FJ_HOME=str(whole_stack.home.path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packs, " in done.stdout
    now = whole_stack.home.running("storage")
    assert now is not None
    assert now != before

"""The command line that every service has."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


def test_help_names_roles_and_commands(run_demo: Run) -> None:
    done = run_demo("--help")
    assert done.returncode == 0
    for expected in ("demo-service", "all|consumer|relay|migrate", "say", "Say something."):
        assert expected in done.stdout


def test_the_settings_in_force_are_printed(run_demo: Run) -> None:
    done = run_demo("--print-settings", DEMO_HTTP_PORT="9001")
    assert done.returncode == 0
    assert "DEMO_HTTP_PORT=9001" in done.stdout.splitlines()
    assert "secret" not in done.stdout


def test_wrong_settings_end_with_2_and_their_lines(run_demo: Run) -> None:
    done = run_demo(DEMO_HTTP_PORT="many", DEMO_POSTGRES="")
    assert done.returncode == 2
    assert sorted(line.partition(":")[0] for line in done.stderr.splitlines()) == ["DEMO_HTTP_PORT", "DEMO_POSTGRES"]


@pytest.mark.parametrize("role", ["reader", "all,consumer", "migrate,consumer", ""])
def test_an_unknown_role_ends_with_2(run_demo: Run, role: str) -> None:
    done = run_demo("--role", role)
    assert done.returncode == 2
    assert "no such role" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        ((), ["consumer", "relay"]),
        (("--role", "relay"), ["relay"]),
        (("--role", "relay,consumer"), ["consumer", "relay"]),
    ],
)
def test_run_gets_the_roles_asked_for(run_demo: Run, arguments: tuple[str, ...], roles: list[str]) -> None:
    done = run_demo(*arguments, DEMO_PARTS="old")
    running = next(line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "running")
    assert sorted(running["roles"]) == roles


@pytest.mark.parametrize("found_by", ["old", "outdated"])
def test_an_old_schema_ends_with_3_and_says_so_be_it_a_part_that_finds_it(run_demo: Run, found_by: str) -> None:
    done = run_demo(DEMO_PARTS=found_by)
    assert done.returncode == 3
    assert "demo is at 1, needs 2" in done.stderr


def test_the_role_migrate_brings_the_schema_up_to_date(
    run_demo: Run, new_database: Callable[[], str], package: Callable[[str, dict[str, str]], str], tmp_path: Path
) -> None:
    given = {
        "DEMO_POSTGRES": new_database(),
        "DEMO_MIGRATIONS": package("mig_cli", {"0001_a.sql": "CREATE TABLE a (id int)"}),
        "PYTHONPATH": str(tmp_path),
    }
    first, again = (run_demo("--role", "migrate", **given) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0)
    assert [line["migration"] for line in map(json.loads, first.stderr.splitlines()) if "migration" in line] == [
        "mig_cli 0001 a"
    ]
    assert [json.loads(line)["count"] for line in again.stderr.splitlines()] == [0]
    package("mig_cli", {"0002_b.sql": "SELECT 'DOE^JOHN'::int"})
    broken = run_demo("--role", "migrate", **given)
    assert broken.returncode == 1
    assert "mig_cli 0002 b: InvalidTextRepresentationError" in broken.stderr
    assert "DOE" not in broken.stderr


def test_a_subcommand_gives_its_exit_code_and_clean_output(run_demo: Run) -> None:
    done = run_demo("say", "hello")
    assert (done.returncode, done.stdout) == (7, "hello\n")


def test_a_subcommand_that_is_refused_says_why_and_ends_with_1(run_demo: Run) -> None:
    done = run_demo("say", "refuse")
    assert done.returncode == 1
    assert json.loads(done.stderr)["raised"][0]["text"] == "refused as asked"


def test_the_console_format_is_for_people(run_demo: Run) -> None:
    done = run_demo("say", "refuse", DEMO_LOG_FORMAT="console")
    assert "giving up" in done.stderr
    assert "refused as asked" in done.stderr
    assert not done.stderr.startswith("{")

"""`make test`: everything once, on servers of its own, each service's tests in an environment of that service alone.

A service's own environment holds what its pyproject declares and no more, so an import that it does not declare fails.
The stories of the whole keep two cores busy, and run alone. All other groups wait most of the time, so
`FJ_TEST_AT_ONCE` of them run side by side; each line says whose it is, and the summary repeats what failed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fj_testing.stack import own_stack

_STORIES: Final = "stories"
_OF_ALL: Final = {_STORIES: ("tests",), "shared": ("libs", "deploy")}
"""Groups in the full environment."""
_AT_ONCE: Final = int(os.environ.get("FJ_TEST_AT_ONCE", "2"))


@dataclass(frozen=True, slots=True)
class Group:
    """Tests that run in one environment."""

    name: str
    folders: tuple[str, ...]
    environment: Path
    package: str | None = None
    """The one package that the environment is made for; None for the full one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a group ended: exit code, pytest's closing line, and its lines about what failed."""

    code: int
    last_line: str
    failed: tuple[str, ...]


def main(only: Sequence[str]) -> int:
    """Run all groups, or those named, and say how each ended; 0 when all passed.

    Each group has servers of its own: a broker that has seen every topic of every test runs out of open files.
    """
    groups = [group for group in _groups(Path.cwd()) if not only or group.name in only]
    outcomes = [_on_servers_of_its_own(group) for group in groups if group.name == _STORIES]
    with ThreadPoolExecutor(_AT_ONCE) as lanes:
        outcomes += lanes.map(_on_servers_of_its_own, (group for group in groups if group.name != _STORIES))
    print("\n=== summary")
    for group, outcome in zip(groups, outcomes, strict=True):
        print(f"{group.name:<12} {outcome.last_line}", *outcome.failed, sep="\n  ")
    return max((outcome.code for outcome in outcomes), default=1)


def _groups(root: Path) -> Iterator[Group]:
    """The stories come first; of the others, those begin first that take longest."""
    for name, folders in _OF_ALL.items():
        yield Group(name, tuple(folder for folder in folders if (root / folder).is_dir()), root / ".venv")
    for service in sorted((root / "services").iterdir(), key=_number_of_tests, reverse=True):
        if (service / "tests").is_dir():
            package = f"{service.name.replace('_', '-')}-service"
            yield Group(service.name, (f"services/{service.name}",), root / ".venvs" / service.name, package)


def _number_of_tests(service: Path) -> int:
    return sum(1 for _ in service.glob("tests/integration/test_*.py"))


def _on_servers_of_its_own(group: Group) -> Outcome:
    with own_stack() as stack, tempfile.TemporaryDirectory() as temporary:
        stack.servers.start()
        file = Path(temporary) / "stack.json"
        stack.save(file)
        return _run(group, {**os.environ, "FJ_TEST_STACK": str(file)})


def _run(group: Group, environment: Mapping[str, str]) -> Outcome:
    if group.package is not None:
        _sync(group.package, group.environment)
    command = [str(group.environment / "bin" / "python"), "-m", "pytest", "--durations=10", *group.folders]
    started = time.monotonic()
    last_line, failed = "", []
    with subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as run:
        assert run.stdout is not None
        for line in map(str.rstrip, run.stdout):
            print(f"{group.name:<10} | {line}", flush=True)
            if line.startswith(("FAILED ", "ERROR ")):
                failed.append(line)
            if line.startswith("==="):
                last_line = line.strip("= ")
    return Outcome(run.returncode, last_line or f"ended after {time.monotonic() - started:.0f} s", tuple(failed))


def _sync(package: str, environment: Path) -> None:
    command = [os.environ.get("UV", "uv"), "sync", "--frozen", "--quiet", "--no-default-groups", "--group", "test"]
    variables = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment)}
    subprocess.run([*command, "--package", package], check=True, env=variables, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

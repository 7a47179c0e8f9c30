"""`make test`: everything once, on servers of its own, each service's tests in an environment of that service alone.

A service's own environment holds what its pyproject declares and no more, so an import that it does not declare fails.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fj_testing.stack import own_stack

_SHARED: Final = ("libs", "deploy", "tests")


@dataclass(frozen=True, slots=True)
class Group:
    """Tests that run in one environment."""

    name: str
    folders: tuple[str, ...]
    environment: Path
    package: str | None = None
    """The one package that the environment is made for; None for the full one."""


def main(only: Sequence[str]) -> int:
    """Run all groups, or those named, and say how each ended; 0 when all passed.

    Each group has servers of its own: a broker that has seen every topic of every test runs out of open files.
    """
    outcomes: dict[str, tuple[int, str]] = {}
    for group in (group for group in _groups(Path.cwd()) if not only or group.name in only):
        print(f"\n=== {group.name}", flush=True)
        with own_stack() as stack, tempfile.TemporaryDirectory() as temporary:
            stack.servers.start()
            file = Path(temporary) / "stack.json"
            stack.save(file)
            outcomes[group.name] = _run(group, {**os.environ, "FJ_TEST_STACK": str(file)})
    print("\n=== summary")
    for name, (_, last_line) in outcomes.items():
        print(f"{name:<12} {last_line}")
    return max((code for code, _ in outcomes.values()), default=1)


def _groups(root: Path) -> Iterator[Group]:
    yield Group("shared", tuple(name for name in _SHARED if (root / name).is_dir()), root / ".venv")
    for service in sorted((root / "services").iterdir()):
        if (service / "tests").is_dir():
            package = f"{service.name.replace('_', '-')}-service"
            yield Group(service.name, (f"services/{service.name}",), root / ".venvs" / service.name, package)


def _run(group: Group, environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit code, and pytest's closing line."""
    if group.package is not None:
        _sync(group.package, group.environment)
    command = [str(group.environment / "bin" / "python"), "-m", "pytest", *group.folders]
    started = time.monotonic()
    last_line = ""
    with subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            print(line, end="", flush=True)
            last_line = line.strip().strip("=").strip() or last_line
    return run.returncode, last_line or f"ended with {run.returncode} after {time.monotonic() - started:.0f} s"


def _sync(package: str, environment: Path) -> None:
    command = [os.environ.get("UV", "uv"), "sync", "--frozen", "--quiet", "--no-default-groups", "--group", "test"]
    variables = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment)}
    subprocess.run([*command, "--package", package], check=True, env=variables, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

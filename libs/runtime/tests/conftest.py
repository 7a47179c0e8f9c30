"""Runs the demo service as a process."""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from fj_testing import eventually

NAMESPACE = "7c0e1f0e-0c56-4b36-9f0d-8f5b9ad3d3aa"
DEMO = Path(__file__).with_name("demo.py")


@dataclass
class Process:
    """A demo service and what it wrote."""

    popen: subprocess.Popen[bytes]
    address: str
    output: Path

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(base_url=self.address, timeout=30) as client:
            return client.request(method, path, **options)

    def stop(self, number: int = signal.SIGTERM, within: float = 40) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(within)

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def raising(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if any(error["class"] == kind for error in line.get("raised", ()))]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


class Start(Protocol):
    async def __call__(self, *, ready: bool = True, **environment: str) -> Process: ...


def environment(**more: str) -> dict[str, str]:
    given = {"DEMO_POSTGRES": "postgresql://demo:secret@127.0.0.1:1/demo", "FJ_PATIENT_NAMESPACE": NAMESPACE}
    return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | given | more


def spawn(output: Path, port: int, given: dict[str, str]) -> Process:
    with output.open("wb") as file:
        popen = subprocess.Popen(
            [sys.executable, str(DEMO)], env=environment(**given), stdout=file, stderr=subprocess.STDOUT
        )
    return Process(popen, f"http://127.0.0.1:{port}", output)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Start]:
    """Starts demo services, `await start(DEMO_PARTS="failing")`; those still there at the end are killed."""
    running: list[Process] = []

    async def begin(*, ready: bool = True, **given: str) -> Process:
        port = int(given.setdefault("DEMO_HTTP_PORT", str(free_port())))
        process = spawn(tmp_path_factory.mktemp("demo") / "log", port, given)
        running.append(process)
        if ready:
            await eventually(lambda: _answers(process), within=45)
        return process

    yield begin
    for process in running:
        process.popen.kill()
        process.popen.wait()


@pytest.fixture
def run_demo() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the demo's command line to its end."""

    def run(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, str(DEMO), *arguments]
        return subprocess.run(line, env=environment(**given), capture_output=True, text=True, timeout=50, check=False)

    return run


def _answers(process: Process) -> bool:
    assert process.popen.poll() is None, process.text
    try:
        return process.get("/health/live").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, dict[str, str]], str]:
    """Makes importable packages with migrations: `package("one", {"0001_a.sql": "CREATE …"})`; again to change it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, files: dict[str, str]) -> str:
        folder = tmp_path / name / "migrations"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
        for file, sql in files.items():
            (folder / file).write_text(sql)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make

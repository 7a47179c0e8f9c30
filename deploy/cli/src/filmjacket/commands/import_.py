"""`filmjacket import`: a legacy archive moves in."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Annotated, Final, Self

import httpx
import typer
from fj_local.home import Home
from fj_local.stack import Stack
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from filmjacket.importing.done import Done
from filmjacket.importing.files import DicomFile, Skipped, dicom_files, sources
from filmjacket.importing.sending import TIMEOUT_S, Failed, Outcome, Stow
from filmjacket.terminal import console, errors

SOME_FAILED: Final = 2
BATCH_FILES: Final = 200
BATCH_BYTES: Final = 64 * 1024 * 1024

Paths = Annotated[list[Path], typer.Argument(help="Zips, folders, files.")]


def import_(  # noqa: PLR0913 - one parameter per option
    paths: Paths,
    *,
    to: Annotated[str | None, typer.Option(help="DICOMweb root; default: the gateway of this stack.")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Requests at once.")] = 4,
    patience: Annotated[float, typer.Option(help="Seconds to repeat what is not answered, or finds no room.")] = 300,
    state: Annotated[Path | None, typer.Option(help="Remembers what is stored; default: in FJ_HOME.")] = None,
    user: Annotated[str | None, typer.Option(help="Who imports; stands in the facts.")] = None,
    tell_every: Annotated[float, typer.Option(min=0, help="Seconds between lines of progress where no bar is.")] = 10,
    token: Annotated[str | None, typer.Option(envvar="FJ_TOKEN", help="Bearer token, where the archive asks.")] = None,
) -> None:
    """Store the DICOM files of zips and folders. Stopped, it goes on where it was; exit code 2: some were refused."""
    root = to or f"http://127.0.0.1:{Stack.as_started().ports['gateway']}/dicomweb"
    headers = {"X-FJ-User": user} if user else {}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    with ExitStack() as opened:
        found = sources(paths, opened)
        done = opened.enter_context(Done(state or _default_state(paths, root)))
        client = opened.enter_context(httpx.Client(headers=headers, timeout=TIMEOUT_S))
        shown = opened.enter_context(_Shown(tell_every))
        stow = Stow(client, f"{root.rstrip('/')}/studies", shown.sent, patience)
        files = shown.wanted(dicom_files(found), done)
        for outcome in _stored(stow, _batches(files), parallel):
            done.add([file.key for file in outcome.stored])
            shown.add(outcome)
    shown.summary()
    raise typer.Exit(SOME_FAILED if shown.failed else 0)


def _default_state(paths: Iterable[Path], root: str) -> Path:
    named = "\0".join([root, *sorted(str(path.resolve()) for path in paths)])
    name = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return Home.from_environment().path / "imports" / f"{name}.done"


def _batches(files: Iterable[DicomFile]) -> Iterator[list[DicomFile]]:
    """Files that share a request."""
    batch: list[DicomFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) >= BATCH_FILES or size + file.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _stored(stow: Stow, batches: Iterator[list[DicomFile]], parallel: int) -> Iterator[Outcome]:
    """What became of each batch; looks for files only as fast as they are sent."""
    running: set[Future[Outcome]] = set()
    with ThreadPoolExecutor(parallel) as pool:
        try:
            for batch in batches:
                running.add(pool.submit(stow.store, batch))
                if len(running) > parallel:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Shown:
    """What the operator sees: a line that moves, or without a terminal one now and then; what went wrong; the sum."""

    def __init__(self, tell_every: float) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        self._progress = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._task = self._progress.add_task("looking", total=0)
        self._now_and_then = None if errors.is_terminal else _NowAndThen(tell_every)
        self._guard = Lock()
        self._total = self._sent = 0
        self.stored = self.known = self.skipped = self.failed = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def wanted(self, found: Iterable[DicomFile | Skipped], done: Done) -> Iterator[DicomFile]:
        """The files that are to be sent; the others are told or counted."""
        for file in found:
            if isinstance(file, Skipped):
                self.skipped += 1
                self._say(f"skipped {file.name}: {file.why}")
            elif file.key in done:
                self.known += 1
            else:
                self._total += file.size
                self._progress.update(self._task, total=self._total)
                yield file
            self._tell()

    def sent(self, size: int) -> None:
        """So many bytes are out. For any thread."""
        with self._guard:
            self._sent += size
        self._progress.update(self._task, advance=size)
        self._tell()

    def add(self, outcome: Outcome) -> None:
        """A batch is through."""
        self.stored += len(outcome.stored)
        self.failed += len(outcome.failed)
        self._progress.update(self._task, description=f"{self.stored} stored")
        for failure in outcome.failed:
            self._say(_words(failure))
        self._tell()

    def summary(self) -> None:
        """The last line."""
        console.print(self._sum(), highlight=False)

    def _sum(self) -> str:
        return f"{self.stored} stored, {self.known} were stored before, {self.skipped} skipped, {self.failed} failed"

    def _tell(self) -> None:
        if self._now_and_then is not None and self._now_and_then.is_due():
            self._say(f"so far {self._sum()}; {decimal(self._sent)} sent")

    def _say(self, line: str) -> None:
        errors.print(line, highlight=False, markup=False, soft_wrap=True)


class _NowAndThen:
    """Whether so many seconds have passed since it was asked with success. For any thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._guard = Lock()
        self._next = time.monotonic() + seconds

    def is_due(self) -> bool:
        with self._guard:
            now = time.monotonic()
            if now < self._next:
                return False
            self._next = now + self._seconds
            return True


def _words(failure: Failed) -> str:
    return f"failed {failure.file.name}: {failure.why}"

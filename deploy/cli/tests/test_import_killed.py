"""`filmjacket import` killed in its middle and started again: it goes on where it was, and nothing is there twice."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from filmjacket.commands.import_ import BATCH_FILES
from fj_local.commands import installed
from fj_testing import Log, Record, Services, eventually

from deploy.cli.tests.test_import import a_file

pytestmark = pytest.mark.servers
STUDY: Final = "1.2.8.9"
FILES: Final = 2 * BATCH_FILES + 50
PATIENCE_S: Final = 60.0


class Hearing:
    """A way to the archive that passes on what is sent, and the first answers only."""

    def __init__(self, archive: str, answers: int) -> None:
        self._archive = urlsplit(archive)
        self._left = answers
        self.withheld = asyncio.Event()
        """The archive has answered once more, and nobody was told."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(self._archive.hostname, self._archive.port)
        try:
            await asyncio.gather(self._pass_on(reader, outer), self._answer(inner, writer))
        except ConnectionError:
            pass  # the command was killed
        finally:
            for end in (outer, writer):
                end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if data.startswith(b"HTTP/1.1 "):
                self._left -= 1
            if self._left < 0:
                self.withheld.set()
            else:
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def hearing(archive: str, answers: int) -> AsyncIterator[tuple[Hearing, str]]:
    """It, and its address."""
    between = Hearing(archive, answers)
    async with await asyncio.start_server(between.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield between, f"http://127.0.0.1:{port}"


async def start(root: str, archive: Path, state: Path) -> asyncio.subprocess.Process:
    options = ["--to", f"{root}/dicomweb", "--state", str(state), "--parallel", "1"]
    return await asyncio.create_subprocess_exec(
        *(installed("filmjacket", "filmjacket"), "import", *options, str(archive)),
        env=os.environ | {"FJ_HOME": str(state.parent / "home"), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
    )


def names(records: list[Record]) -> list[str]:
    """The instances that were told of the study, each as often as it was."""
    bodies = [record.body for record in records if record.key == STUDY]
    return [one["sop_instance_uid"] for body in bodies for one in body["instances"]]


async def test_an_import_killed_in_its_middle_goes_on_and_stores_nothing_twice(
    services: Services, log: Log, free_port: Callable[[], int], tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    ingest = services.start("ingest", INGEST_DIMSE_PORT=free_port(), INGEST_JOURNAL=str(journal))
    archive, state = tmp_path / "archive", tmp_path / "state"
    archive.mkdir()
    for number in range(FILES):
        (archive / f"{number:04}.dcm").write_bytes(a_file(STUDY))
    async with hearing(ingest.http, answers=1) as (between, address):
        killed = await start(address, archive, state)
        await asyncio.wait_for(between.withheld.wait(), PATIENCE_S)  # two batches are there, one is known to be
        await eventually(lambda: len(state.read_text().split()) == BATCH_FILES, within=PATIENCE_S)
        killed.kill()
        await killed.communicate()
    again = await start(ingest.http, archive, state)
    said, _ = await asyncio.wait_for(again.communicate(), PATIENCE_S)
    assert again.returncode == 0
    known = f"{FILES - BATCH_FILES} stored, {BATCH_FILES} were stored before, 0 skipped, 0 failed"
    assert said.decode().strip() == known

    async def all_told() -> bool:
        return len(set(names(await log.read("instance-events")))) == FILES

    await eventually(all_told, within=PATIENCE_S, what="every file is told of")
    await eventually(lambda: not list(journal.glob("*.[!s]*")), within=PATIENCE_S, what="the journal is empty")
    assert len(names(await log.read("instance-events"))) == FILES

"""An Orthanc beside the tests: the archive that a department has already."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from fj_testing.eventually import eventually


@asynccontextmanager
async def orthanc(
    folder: Path, http_port: int, peer: tuple[str, str, int], dicom_port: int | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Its HTTP API. It knows `peer` (AE title, host, port) as `filmjacket`, and listens itself where it has a port."""
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc is not installed")
    listens: Mapping[str, object] = {"DicomServerEnabled": False} if dicom_port is None else {"DicomPort": dicom_port}
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": http_port,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"filmjacket": peer},
        "Plugins": [],
        **listens,
    }
    configuration = folder / "orthanc.json"
    await asyncio.to_thread(configuration.write_text, json.dumps(settings))
    running = await asyncio.create_subprocess_exec(
        program, str(configuration), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=20) as http:
            await eventually(lambda: _answers(http), within=30)
            yield http
    finally:
        running.terminate()
        await asyncio.wait_for(running.wait(), 20)


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/system")).status_code == 200
    except httpx.TransportError:
        return False

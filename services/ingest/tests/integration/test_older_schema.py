"""A database that was not migrated."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fj_local.services import script

pytestmark = pytest.mark.servers


def test_an_older_schema_ends_ingest_as_it_ends_every_service(
    new_database: Callable[[], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    settings = {
        "INGEST_POSTGRES": new_database(),
        "INGEST_HTTP_PORT": str(free_port()),
        "INGEST_DIMSE_PORT": str(free_port()),
        "INGEST_JOURNAL": str(tmp_path),
        "FJ_PATIENT_NAMESPACE": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "FJ_S3_ACCESS_KEY": "none",
        "FJ_S3_SECRET_KEY": "none",
    }
    done = subprocess.run([script("ingest")], env=settings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr
    assert "run the role migrate" in done.stderr

"""The index can be made anew from the packs alone: `ingest` writes them, `storage` forgets and reads them again."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
import yaml
from fj_local import seaweedfs
from fj_local.services import script
from fj_objects import S3Settings, S3Store
from fj_testing import ServiceProcess, Services, Stack, eventually
from pydicom import Dataset
from storage_service.domain.manifest import entries_of

from services.ingest.tests.builders import Modality, a_uid, an_instance

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
BUCKET, FAR = "packs-alone", "far-away"
TIERS: Final = (
    f"tiers: [{{name: sr, when: {{modality: SR}}, after: {{days: 0}}, since: receipt, to: {{bucket: {FAR}}}}}]"
)
INDEX: Final = {
    "study": "SELECT to_jsonb(s) FROM study s ORDER BY study_instance_uid",
    "series": """SELECT to_jsonb(e) - ARRAY['series_key', 'metadata_key', 'metadata_instances', 'metadata_leased_until']
                   FROM series e ORDER BY study_instance_uid, series_instance_uid""",
    "pack": "SELECT bucket, key, size, sha256, damage FROM pack ORDER BY bucket, key",
    "manifest": """
        SELECT e.study_instance_uid, e.series_instance_uid, p.key, m.entries
          FROM manifest m JOIN series e USING (series_key) JOIN pack p USING (pack_key)""",
    "study_route": """SELECT study_instance_uid, study_date, site, accession_number, accession_issuer, patient_id,
                             calling_ae_title, received_at, last_instance_at
                        FROM study_route ORDER BY study_instance_uid""",
}
"""The index and what images say of where a study belongs; not keys that are given out, nor metadata made, anew."""
Index = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Archive:
    """`ingest` and `storage` with a bucket of their own."""

    modality: Modality
    other: Modality
    storage: ServiceProcess
    packs: S3Store
    database: str
    environment: dict[str, str]

    async def sql(self, *statements: str) -> list[list[tuple[Any, ...]]]:
        connection = await asyncpg.connect(self.database)
        try:
            return [list(map(tuple, await connection.fetch(statement))) for statement in statements]
        finally:
            await connection.close()

    async def index(self) -> Index:
        """Manifests instance by instance: how many they are written in depends on what has been gathered."""
        found = dict(zip(INDEX, await self.sql(*INDEX.values()), strict=True))
        instances = [(*of, *entry) for *of, data in found["manifest"] for entry in entries_of(data)]
        return found | {"manifest": sorted(instances, key=repr)}

    async def holds(self, instances: int) -> bool:
        return len((await self.index())["manifest"]) == instances

    async def is_joined(self, study: str, instances: int) -> bool:
        """All that there is of a study lies in one pack, and nothing is left of the others."""
        sql = f"SELECT instances FROM manifest JOIN series USING (series_key) WHERE study_instance_uid = '{study}'"
        counts, doomed = await self.sql(sql, "SELECT FROM doomed_object")
        return counts == [(instances,)] and not doomed

    async def has_moved(self) -> bool:
        """Whether the study with an SR lies in the other tier, in however many packs; the one of nobody stays."""
        buckets = [bucket for bucket, *_ in (await self.index())["pack"]]
        return buckets.count(FAR) == len(buckets) - 1

    def rebuild(self) -> subprocess.CompletedProcess[str]:
        command = [script("storage"), "rebuild-from-packs"]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def archive(
    services: Services, stack: Stack, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Archive:
    stack.s3()  # it runs
    for bucket in (BUCKET, FAR):
        seaweedfs.create_bucket(stack.servers.ports, bucket)
    secret = stack.servers.credentials.s3_admin
    folder = tmp_path_factory.mktemp("archive")
    peers = folder / "peers.yaml"
    peers.write_text(
        yaml.safe_dump({"CT1": {"host": "127.0.0.1", "port": 1, "patient_id_issuer": "WEST", "station_name": "ROOM1"}})
    )
    tiers = folder / "lifecycle.yaml"
    tiers.write_text(TIERS)
    settings = {
        "FJ_LIFECYCLE": str(tiers),
        "STORAGE_LIFECYCLE_SECONDS": "0.3",
        "STORAGE_DELETION_DELAY": "0",
        "FJ_S3_BUCKET": BUCKET,
        "FJ_S3_ACCESS_KEY": seaweedfs.ADMIN_KEY,
        "FJ_S3_SECRET_KEY": secret,
        "FJ_PEERS": str(peers),
    }
    door = free_port()
    journal = str(folder / "journal")
    Path(journal).mkdir()
    services.start("ingest", INGEST_DIMSE_PORT=door, INGEST_JOURNAL=journal, INGEST_SEGMENT_IDLE="0.2", **settings)
    storage = services.start("storage", STORAGE_DIMSE_PORT=free_port(), STORAGE_QUIET_TIME="1", **settings)
    store = S3Settings(endpoint=stack.s3().endpoint, bucket=BUCKET, access_key=seaweedfs.ADMIN_KEY, secret_key=secret)
    environment = services.environment("storage") | settings | {"STORAGE_HTTP_PORT": "1"}
    devices = (Modality(door, "CT1"), Modality(door, "CT2"))
    return Archive(*devices, storage, S3Store(store), services.database("storage"), environment)


def a_request() -> Dataset:
    """Of a series: what was asked for."""
    code, request = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTCHEST", "L", "CT of the chest"
    request.RequestedProcedureID, request.RequestedProcedureCodeSequence = "RP1", [code]
    return request


@pytest.fixture(scope="module")
async def before(archive: Archive) -> Index:
    """What the live services made of three studies: late and known images, other bytes, no numbers, image by image."""
    study, series, uid = a_uid(), a_uid(), a_uid()
    said: dict[str, Any] = {
        "IssuerOfPatientID": "EAST",
        "SeriesDescription": "Lung",
        "RequestAttributesSequence": [a_request()],
        "PerformedProcedureStepStartDate": "20260302",
        "PerformedProcedureStepStartTime": "085500",
    }
    first = an_instance(study, series, SOPInstanceUID=uid, **said)
    await archive.modality.store(first, *(an_instance(study, series, InstanceNumber=n) for n in range(2, 6)))
    await eventually(lambda: archive.holds(5))
    other = an_instance(study, series, SOPInstanceUID=uid, StudyID="S7", StudyDescription="said later")
    await archive.modality.store(first, other, an_instance(study, Modality="SR", NumberOfFrames=3))
    await eventually(lambda: archive.holds(7))
    nobody = an_instance(StudyDate="", AccessionNumber="", PatientID="", PatientName="")
    await archive.modality.store(nobody)
    await eventually(lambda: archive.holds(8))
    await eventually(archive.has_moved, within=20)
    pieces, of = a_uid(), a_uid()
    images = [an_instance(pieces, of, InstanceNumber=number, Modality="MR") for number in range(1, 7)]
    await archive.other.store(images[0])
    await eventually(lambda: archive.holds(9))
    await asyncio.gather(*map(archive.modality.store, images[1:]))  # by whom is said what the first one leaves out
    await eventually(lambda: archive.is_joined(pieces, 6), within=40)
    archive.storage.stop()
    return await archive.index()


def series_of(index: Index) -> list[dict[str, Any]]:
    return [json.loads(series) for (series,) in index["series"]]


async def test_the_index_is_the_same_when_it_is_made_anew_from_packs(archive: Archive, before: Index) -> None:
    codes = [code for (study,) in before["study"] for code in json.loads(study)["requested_procedure_codes"] or ()]
    assert codes == [{"code": "CTCHEST", "text": "CT of the chest", "system": "L"}]
    started = {(one["performed_step_start_date"], one["performed_step_start_time"]) for one in series_of(before)}
    assert started == {("2026-03-02", "085500"), (None, None)}
    packs = len(before["pack"])
    assert packs >= 4  # more where a busy modality paused between two images
    done = archive.rebuild()
    assert done.returncode == 0, done.stderr
    assert f"{packs} packs, " in done.stdout
    assert await archive.index() == before


async def test_with_the_whole_database_gone_the_packs_give_the_same_index(archive: Archive, before: Index) -> None:
    await archive.sql("TRUNCATE study, series, manifest, pack, study_route, second_look, exception_entry")
    assert archive.rebuild().returncode == 0
    assert await archive.index() == before


async def test_a_pack_that_was_altered_is_left_out_and_the_others_are_read(archive: Archive, before: Index) -> None:
    lost = before["pack"][-1][1]
    whole = await archive.packs.get(lost)
    await archive.packs.delete(lost)
    await archive.packs.put(lost, whole[:-2048] + bytes(2048))
    done = archive.rebuild()
    await archive.packs.delete(lost)
    await archive.packs.put(lost, whole)
    assert done.returncode == 1
    assert f"{lost} left out" in done.stdout
    assert (await archive.index())["pack"] == before["pack"][:-1]


async def test_nothing_is_emptied_while_consumers_run(archive: Archive, before: Index) -> None:
    assert archive.rebuild().returncode == 0
    archive.storage.start()
    done = archive.rebuild()
    archive.storage.stop()
    assert done.returncode == 1
    assert await archive.index() == before

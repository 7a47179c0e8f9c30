"""C-GET and C-MOVE over DIMSE: pynetdicom's and DCMTK's requestors and destinations."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest
from fj_testing import Feed, eventually
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLossless

from services.storage.tests.builders import Exam, Image, Packer, an_image
from services.storage.tests.scu import PATIENT_ROOT_MOVE, Destination, Received, Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]


@dataclass(frozen=True)
class Archive:
    """The storage under test, as one that images are put into."""

    feed: Feed
    packer: Packer
    http: httpx.AsyncClient

    async def takes(self, exam: Exam, images: Sequence[Image] = ()) -> list[Image]:
        """The exam with these images (else four), of which retrievals know."""
        images = images or exam.images(4)
        await self.feed.publish(await self.packer.ship(exam, images))

        async def here() -> bool:
            answer = await self.http.get(f"/dicomweb/studies/{exam.study_uid}/instances")
            return answer.status_code == 200 and len(answer.json()) >= len(images)

        await eventually(here)
        return list(images)


@pytest.fixture
def archive(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> Archive:
    return Archive(feed, packer, http)


def the_study(exam: Exam) -> pydicom.Dataset:
    return a_query("STUDY", StudyInstanceUID=exam.study_uid)


def as_stored(images: Sequence[Image]) -> set[tuple[str, bytes]]:
    return {(image.uid, image.data) for image in images}


def as_received(received: Sequence[Received]) -> set[tuple[str, bytes]]:
    return {(one.uid, one.data) for one in received}


async def test_a_study_is_got_bit_for_bit_with_counts(workstation: Workstation, archive: Archive) -> None:
    exam = Exam()
    images = await archive.takes(exam)
    got = await workstation.gets(the_study(exam), [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    assert as_received(got.received) == as_stored(images)
    pending, final = got.answers.statuses[0], got.answers.final
    assert (pending.Status, final.Status) == (0xFF00, 0x0000)
    assert (pending.NumberOfRemainingSuboperations, pending.NumberOfCompletedSuboperations) == (3, 1)
    assert "NumberOfRemainingSuboperations" not in final
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (4, 0)


async def test_what_the_requestor_cannot_take_is_converted_or_named(workstation: Workstation, archive: Archive) -> None:
    exam = Exam()
    plain = exam.images(2)
    lossless = an_image(exam.images(1)[0].data_set, JPEGLossless)
    await archive.takes(exam, [*plain, lossless])
    got = await workstation.gets(the_study(exam), [ImplicitVRLittleEndian])
    assert {one.uid for one in got.received} == {image.uid for image in plain}
    for one in got.received:
        original = next(image for image in plain if image.uid == one.uid)
        read = pydicom.dcmread(pydicom.filebase.DicomBytesIO(one.data), force=True)  # implicit by default
        assert read.PixelData == original.data_set.PixelData
        assert read.PatientName == original.data_set.PatientName
    assert got.answers.final.Status == 0xB000
    assert got.answers.final.NumberOfFailedSuboperations == 1
    assert got.answers.identifiers[-1].FailedSOPInstanceUIDList == lossless.uid
    as_it_is = await workstation.gets(the_study(exam), [JPEGLossless, ExplicitVRLittleEndian])
    assert as_received(as_it_is.received) == as_stored([*plain, lossless])


async def test_a_study_is_moved_and_its_originator_is_named(
    workstation: Workstation, peer_ports: dict[str, int], archive: Archive
) -> None:
    exam = Exam()
    images = await archive.takes(exam)
    with Destination("WS1", peer_ports["WS1"]) as destination:
        answers = await workstation.moves(the_study(exam), "WS1")
    assert as_received(destination.received) == as_stored(images)
    assert {one.originator for one in destination.received} == {("WS1", 7)}
    assert (answers.final.Status, answers.final.NumberOfCompletedSuboperations) == (0x0000, 4)
    assert destination.associations == 1


async def test_series_instances_and_patients_are_selected(
    workstation: Workstation, peer_ports: dict[str, int], archive: Archive
) -> None:
    exam = Exam()
    images = await archive.takes(exam)
    other = Exam(patient_number=exam.patient_number)
    others = await archive.takes(other)
    path = {"StudyInstanceUID": exam.study_uid, "SeriesInstanceUID": images[0].series}
    two = [images[1].uid, images[2].uid]
    for query, wanted in (
        (a_query("SERIES", **path), images),
        (a_query("IMAGE", SOPInstanceUID=two, **path), images[1:3]),
    ):
        with Destination("WS1", peer_ports["WS1"]) as destination:
            assert (await workstation.moves(query, "WS1")).final.Status == 0x0000
        assert as_received(destination.received) == as_stored(wanted)
    with Destination("WS1", peer_ports["WS1"]) as destination:
        await workstation.moves(a_query("PATIENT", PatientID=exam.patient_number), "WS1", PATIENT_ROOT_MOVE)
    assert as_received(destination.received) == as_stored([*images, *others])
    nothing = await workstation.moves(a_query("STUDY", StudyInstanceUID="1.2.3"), "WS1")
    assert (nothing.final.Status, nothing.final.NumberOfCompletedSuboperations) == (0x0000, 0)
    refused = await workstation.moves(a_query("SERIES", SeriesInstanceUID="1.2.3"), "WS1")
    assert (refused.final.Status, refused.final.OffendingElement) == (0xA900, 0x0020000D)


async def test_a_destination_that_is_unknown_away_or_refuses(
    workstation: Workstation, peer_ports: dict[str, int], archive: Archive
) -> None:
    exam = Exam()
    images = await archive.takes(exam)
    unknown = await workstation.moves(the_study(exam), "STRANGER")
    assert (unknown.final.Status, len(unknown.statuses)) == (0xA801, 1)
    away = await workstation.moves(the_study(exam), "NOBODY")
    assert (away.final.Status, away.final.NumberOfFailedSuboperations) == (0xA702, 4)
    assert away.final.ErrorComment == "NOBODY cannot be reached: ConnectionRefusedError"
    assert set(away.identifiers[-1].FailedSOPInstanceUIDList) == {image.uid for image in images}
    refused = images[1].uid
    with Destination("WS1", peer_ports["WS1"], takes=lambda uid: 0xA700 if uid == refused else 0x0000) as destination:
        answers = await workstation.moves(the_study(exam), "WS1")
    assert len(destination.received) == 3
    assert (answers.final.Status, answers.final.NumberOfFailedSuboperations) == (0xB000, 1)
    assert answers.identifiers[-1].FailedSOPInstanceUIDList == refused


async def test_several_associations_share_a_move(
    workstation: Workstation, peer_ports: dict[str, int], archive: Archive
) -> None:
    exam = Exam()
    images = await archive.takes(exam, exam.images(40))
    with Destination("WS4", peer_ports["WS4"], takes=slowly(0.01)) as destination:
        answers = await workstation.moves(the_study(exam), "WS4")
    assert as_received(destination.received) == as_stored(images)
    assert len(destination.received) == 40
    assert destination.associations == 4
    assert (answers.final.Status, answers.final.NumberOfCompletedSuboperations) == (0x0000, 40)


async def test_a_move_that_is_cancelled_says_what_remains(
    workstation: Workstation, peer_ports: dict[str, int], archive: Archive
) -> None:
    exam = Exam()
    await archive.takes(exam, exam.images(30))
    with Destination("WS1", peer_ports["WS1"], takes=slowly(0.1)) as destination:
        answers = await workstation.moves(the_study(exam), "WS1", cancel_after=2)
    assert answers.final.Status == 0xFE00
    assert answers.final.NumberOfCompletedSuboperations == len(destination.received) < 30
    assert answers.final.NumberOfRemainingSuboperations == 30 - len(destination.received)


async def test_an_instance_whose_pack_is_gone_costs_itself_alone(workstation: Workstation, archive: Archive) -> None:
    exam = Exam()
    lost, kept = exam.images(1), exam.images(2)
    fact = await archive.packer.ship(exam, lost)
    await archive.feed.publish(fact)
    await archive.takes(exam, kept)
    await archive.packer.store.delete(fact.pack.key)
    got = await workstation.gets(the_study(exam), [ExplicitVRLittleEndian])
    assert as_received(got.received) == as_stored(kept)
    assert got.answers.final.Status == 0xB000
    assert got.answers.identifiers[-1].FailedSOPInstanceUIDList == lost[0].uid


async def test_dcmtk_gets_and_moves(
    workstation: Workstation, peer_ports: dict[str, int], archive: Archive, tmp_path: Path
) -> None:
    exam = Exam()
    images = await archive.takes(exam)
    query = ["-aec", "FJ_QR", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={exam.study_uid}"]
    door = ["127.0.0.1", str(workstation.port)]
    got, moved = tmp_path / "got", tmp_path / "moved"
    got.mkdir()
    moved.mkdir()
    await _run("getscu", "-S", "-od", str(got), *query, *door)
    assert uids_in(got) == {image.uid for image in images}
    port = str(peer_ports["WS1"])
    await _run("movescu", "-S", "-aet", "WS1", "-aem", "WS1", "+P", port, "-od", str(moved), *query, *door)
    assert uids_in(moved) == {image.uid for image in images}


def slowly(seconds: float) -> Callable[[str], int]:
    def take(_: str) -> int:
        time.sleep(seconds)
        return 0x0000

    return take


def uids_in(folder: Path) -> set[str]:
    return {str(pydicom.dcmread(path).SOPInstanceUID) for path in folder.iterdir()}


async def _run(*command: str) -> None:
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

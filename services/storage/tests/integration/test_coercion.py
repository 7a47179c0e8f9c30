"""Retrieved objects say what is known now of patient and order, whatever was stored (PS3.3 C.12.1.1.9)."""

import io
from email.parser import BytesParser
from typing import Any
from uuid import UUID

import httpx
import pydicom
import pytest
from fj_events import OrderChanged, PatientPhi, PatientRegistered, PatientUpdated, Source
from fj_testing import Feed, Log, eventually, merged, unmerged
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.scu import STUDY_ROOT_MOVE, Destination, Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
WHY = {"reason": "the wrong line was picked"}


def whose(exam: Exam) -> tuple[UUID, PatientPhi]:
    assert exam.patient_id
    return exam.patient_id, exam.patient


def who(data_set: Dataset) -> tuple[str, str, str]:
    return str(data_set.PatientID), str(data_set.PatientName).split("^")[0], str(data_set.AccessionNumber or "")


async def series(http: httpx.AsyncClient, exam: Exam, accept: str = DICOM) -> list[Dataset]:
    answer = await http.get(f"/dicomweb/studies/{exam.study_uid}", headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    message = BytesParser().parsebytes(
        f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.content
    )
    parts: list[Any] = list(message.walk())[1:]
    bodies = [part.get_payload(decode=True) for part in parts]
    assert [len(body) for body in bodies] == [int(part["Content-Length"]) for part in parts]
    return [pydicom.dcmread(io.BytesIO(body)) for body in bodies]


async def described(http: httpx.AsyncClient, exam: Exam) -> list[Dataset]:
    answer = await http.get(f"/dicomweb/studies/{exam.study_uid}/metadata")
    return [Dataset.from_json(one, lambda *_: b"") for one in answer.json()]


async def becomes(http: httpx.AsyncClient, exam: Exam, wanted: tuple[str | None, str, str | None]) -> list[Dataset]:
    """WADO-RS, its metadata and QIDO-RS say so."""

    async def as_wanted() -> bool:
        found = await http.get("/dicomweb/studies", params={"StudyInstanceUID": exam.study_uid})
        if found.status_code != 200 or not found.json():
            return False
        [study] = [Dataset.from_json(one) for one in found.json()]
        return who(study) == wanted

    await eventually(as_wanted, within=20, what=f"{wanted}")
    for one in await described(http, exam):
        assert who(one) == wanted
    found = await series(http, exam)
    assert [who(one) for one in found] == [wanted] * len(found)
    return found


def an_instance(exam: Exam, image: Image) -> str:
    return f"/dicomweb/studies/{exam.study_uid}/series/{image.series}/instances/{image.uid}"


async def test_images_of_a_merged_patient_are_the_survivors_through_every_door_until_it_is_undone(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, workstation: Workstation, peer_ports: dict[str, int]
) -> None:
    old, survivor = Exam(family_name="Unknown"), Exam()
    images = [*old.images(2), *old.images(1, 2, syntax=ImplicitVRLittleEndian)]
    await feed.publish(await packer.ship(old, images[:2]), await packer.ship(old, images[2:]))
    stored = (old.patient_number, "Unknown", old.accession)
    assert all("OriginalAttributesSequence" not in one for one in await becomes(http, old, stored))
    address, single = an_instance(old, images[0]), {"Accept": "application/dicom"}
    before = await http.get(address, headers=single)
    assert before.content == images[0].file

    merge = merged(whose(old), whose(survivor))
    await feed.publish(merge)
    current = (survivor.patient_number, "Example", old.accession)
    for one in await becomes(http, old, current):
        [original] = one.OriginalAttributesSequence
        assert (original.ReasonForTheAttributeModification, original.SourceOfPreviousValues) == ("COERCE", "MAIN")
        assert original.ModifiedAttributesSequence[0].PatientID == old.patient_number
        assert one.PixelData == next(i for i in images if i.uid == one.SOPInstanceUID).data_set.PixelData
    since = await http.get(address, headers={**single, "If-None-Match": before.headers["etag"]})
    assert since.status_code == 200
    assert since.headers["etag"] != before.headers["etag"]
    again = await http.get(address, headers={**single, "If-None-Match": since.headers["etag"]})
    assert again.status_code == 304
    part = await http.get(address, headers={**single, "Range": "bytes=140-2000"})
    assert part.content == since.content[140:2001]
    assert part.headers["content-range"] == f"bytes 140-{min(2000, len(since.content) - 1)}/{len(since.content)}"

    got = await workstation.gets(
        a_query("STUDY", StudyInstanceUID=old.study_uid), [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    )
    assert len(got.received) == 3
    with Destination("WS1", peer_ports["WS1"], [ImplicitVRLittleEndian]) as ws1:
        await workstation.moves(a_query("STUDY", StudyInstanceUID=old.study_uid), "WS1", STUDY_ROOT_MOVE)
        assert len(ws1.received) == 3
    for sent in (*got.received, *ws1.received):
        read = pydicom.dcmread(DicomBytesIO(sent.data), force=True) if sent in ws1.received else None
        if read is not None:
            assert who(read) == current
        assert str(survivor.patient_number).encode() in sent.data
    old_viewer = await http.get(
        "/wado",
        params={
            "requestType": "WADO",
            "studyUID": old.study_uid,
            "seriesUID": images[0].series,
            "objectUID": images[0].uid,
            "contentType": "application/dicom",
            "transferSyntax": ImplicitVRLittleEndian,
        },
    )
    assert who(pydicom.dcmread(io.BytesIO(old_viewer.content))) == current

    await feed.publish(unmerged(merge))
    await becomes(http, old, stored)
    assert (await http.get(address, headers=single)).content == images[0].file


async def has_order(http: httpx.AsyncClient, study_instance_uid: str) -> None:
    async def matched() -> bool:
        answer = await http.get(f"/api/storage/studies/{study_instance_uid}")
        return answer.status_code == 200 and answer.json()["order_id"] is not None

    await eventually(matched, within=20, what="a match")


async def test_images_of_a_study_that_a_person_has_moved_are_of_its_order_and_of_none_when_taken_off(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam, other = Exam(), Exam(family_name="Other")
    witness = Exam(accession=other.accession, patient_number=other.patient_number)
    await feed.publish(exam.order(), other.order(), await packer.ship(witness, witness.images(1)))
    await feed.publish(await packer.ship(exam, exam.images(2)))
    for uid in (exam.study_uid, witness.study_uid):
        await has_order(http, uid)
    stored = (exam.patient_number, "Example", exam.accession)
    assert all("OriginalAttributesSequence" not in one for one in await becomes(http, exam, stored))

    acts = f"/api/storage/studies/{exam.study_uid}"
    tess = {"X-FJ-User": "tess"}
    linked = await http.post(f"{acts}/link", json={"order_id": str(other.order_id), **WHY}, headers=tess)
    assert linked.status_code == 200
    for image in await becomes(http, exam, (other.patient_number, "Other", other.accession)):
        assert image.RequestAttributesSequence[0].RequestedProcedureID == f"RP{other.number}"
        assert image.StudyInstanceUID == exam.study_uid
    request = {"00400275.00401001": f"RP{other.number}", "includefield": "00400275"}
    [told] = (await http.get(f"/dicomweb/studies/{exam.study_uid}/series", params=request)).json()
    assert told["00400275"]["Value"] == [{"00401001": {"vr": "SH", "Value": [f"RP{other.number}"]}}]
    found = await http.get("/dicomweb/studies", params={"AccessionNumber": other.accession or ""})
    assert exam.study_uid in {study["0020000D"]["Value"][0] for study in found.json()}

    assert (await http.post(f"{acts}/unlink", json=WHY, headers=tess)).status_code == 200
    await becomes(http, exam, (exam.patient_number, "Example", ""))
    assert (await http.post(f"{acts}/undo", json=WHY, headers=tess)).status_code == 200
    await becomes(http, exam, (other.patient_number, "Other", other.accession))
    assert (
        await http.post(f"{acts}/link", json={"order_id": str(exam.order_id), **WHY}, headers=tess)
    ).status_code == 200
    assert all("OriginalAttributesSequence" not in one for one in await becomes(http, exam, stored))


@pytest.mark.parametrize("first", ["patient", "images"])
async def test_demographics_that_are_corrected_are_in_images_and_kept_metadata_follows(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient, first: str
) -> None:
    exam = Exam(family_name="Typo")
    said = {"site": "MAIN", "patient_id": exam.patient_id, "provisional": False, "source": Source.HL7}
    registered = PatientRegistered(**said, patient=exam.patient)
    corrected = PatientUpdated(**said, patient=exam.patient.model_copy(update={"family_name": "Müller"}))
    images = await packer.ship(exam, exam.images(2))
    facts = [registered, corrected, images] if first == "patient" else [images, registered, corrected]
    for fact in facts:
        await feed.publish(fact)
    await log.wait_for("study-events", where=lambda r: (r.key, r.type) == (exam.study_uid, "study.available.v1"))
    current = (exam.patient_number, "Müller", exam.accession)
    for one in await becomes(http, exam, current):
        assert one.SpecificCharacterSet == "ISO_IR 100"
        assert one.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName == "Typo^Ada"

    async def is_described() -> bool:
        return bool((await http.get(f"/api/storage/studies/{exam.study_uid}")).json()["described_series"])

    await eventually(is_described, within=20)
    packed = await http.get(f"/dicomweb/studies/{exam.study_uid}/metadata", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert {one["00100010"]["Value"][0]["Alphabetic"] for one in packed.json()} == {"Müller^Ada"}
    await feed.publish(PatientUpdated(**said, patient=exam.patient))
    await becomes(http, exam, (exam.patient_number, "Typo", exam.accession))
    etag = {"If-None-Match": packed.headers["etag"], "Accept-Encoding": "gzip"}
    assert (await http.get(f"/dicomweb/studies/{exam.study_uid}/metadata", headers=etag)).status_code == 200


async def test_the_images_of_an_order_that_went_to_another_patient_are_that_patients(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam, other = Exam(), Exam(family_name="Miller")
    await feed.publish(exam.order(), await packer.ship(exam, exam.images(1)))
    await log.wait_for("study-events", where=lambda r: (r.key, r.type) == (exam.study_uid, "study.matched.v1"))
    own = {name: value for name, value in exam.order() if name != "replaces"}
    patient_id, patient = whose(other)
    moved = OrderChanged.model_validate(
        own | {"patient_id": patient_id, "patient": patient, "changed": ("patient", "patient_id")}
    )
    await feed.publish(moved)
    await becomes(http, exam, (other.patient_number, "Miller", exam.accession))
    await feed.publish(await packer.ship(exam, exam.images(1)))
    added = await log.wait_for(
        "study-events", where=lambda r: r.key == exam.study_uid and r.body.get("patient_id") == str(patient_id)
    )
    assert {record.type for record in added} <= {"study.available.v1", "study.updated.v1"}

"""What comes back by WADO-RS is bit for bit what was sent."""

import email
import io

import pydicom
import pytest
from fj_simulators import Clinic, an_exam
from pydicom.dataset import Dataset

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'


async def test_a_study_comes_back_bit_for_bit(clinic: Clinic) -> None:
    exam = an_exam()
    made = await clinic.plays(exam, slices=6)
    address = f"/dicomweb/studies/{made.study_instance_uid}"
    answer = await clinic.http.get(address, headers={"Accept": DICOM})
    assert answer.status_code == 200
    got = {str(image.SOPInstanceUID): image for image in read(answer.headers["content-type"], answer.content)}
    sent = {str(image.SOPInstanceUID): image for image in made.images}
    assert got.keys() == sent.keys()
    for uid, image in sent.items():
        assert written(got[uid]) == written(image)

    found = (await clinic.http.get("/dicomweb/studies", params={"AccessionNumber": exam.accession_number})).json()
    assert [study["0020000D"]["Value"][0] for study in found] == [made.study_instance_uid]
    assert found[0]["00201208"]["Value"] == [6]
    metadata = (await clinic.http.get(f"{address}/metadata")).json()
    assert {item["00080018"]["Value"][0] for item in metadata} == set(sent)


async def test_frames_come_back(clinic: Clinic) -> None:
    exam = an_exam()
    made = await clinic.plays(exam, slices=2)
    image = made.images[0]
    address = f"/dicomweb/studies/{made.study_instance_uid}/series/{image.SeriesInstanceUID}/instances"
    answer = await clinic.http.get(f"{address}/{image.SOPInstanceUID}/frames/1")
    [part] = parts(answer.headers["content-type"], answer.content)
    assert part == image.PixelData


def parts(content_type: str, body: bytes) -> list[bytes]:
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    payloads = message.get_payload()
    assert isinstance(payloads, list)
    found = [part.get_payload(decode=True) for part in payloads if isinstance(part, email.message.Message)]
    return [part for part in found if isinstance(part, bytes)]


def read(content_type: str, body: bytes) -> list[Dataset]:
    return [pydicom.dcmread(io.BytesIO(part)) for part in parts(content_type, body)]


def written(image: Dataset) -> bytes:
    """The data set as bytes in explicit little endian, without its file meta."""
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    pydicom.filewriter.write_dataset(buffer, image)
    return bytes(buffer.getvalue())

"""Synthetic exams: orders, images in packs, performed steps, as the owners of these facts would tell them."""

import hashlib
import io
import itertools
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Evidence,
    ExamCompleted,
    ExamStarted,
    Identifier,
    InstancesStored,
    ObjectRef,
    OrderPlaced,
    PatientPhi,
    PerformedSeries,
    Priority,
    SeriesAttributes,
    Sex,
    Source,
    StoredInstance,
    StudyAttributes,
    patient_key,
)
from fj_objects import S3Settings, S3Store
from fj_packs.pack import Origin
from fj_packs.reading import ABOUT, about
from fj_packs.tar import END, padding, plain_member
from fj_testing import PATIENT_NAMESPACE, S3
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

NUMBERS: Final = itertools.count(1)
ISSUER: Final = "MAIN"
RECEIVED_AT: Final = datetime(2026, 3, 2, 10, 20, 30, tzinfo=UTC)
"""When images came that a pack holds, as the pack says."""


@dataclass(frozen=True)
class Image:
    """One instance as it was received and stored."""

    data_set: Dataset
    transfer_syntax: str
    data: bytes
    """The data set as it was sent."""
    file: bytes
    """Behind a Part 10 header."""

    @property
    def uid(self) -> str:
        return str(self.data_set.SOPInstanceUID)

    @property
    def series(self) -> str:
        return str(self.data_set.SeriesInstanceUID)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Exam:
    """One exam of one patient."""

    number: int = field(default_factory=lambda: next(NUMBERS))
    study_uid: str = field(default_factory=lambda: str(generate_uid()))
    accession: str | None = ""
    patient_number: str | None = ""
    order_id: UUID = field(default_factory=uuid4)
    modality: str = "CT"
    family_name: str = "Example"
    description: str = "CT chest"
    study_date: date = date(2026, 3, 2)

    def __post_init__(self) -> None:
        if self.accession == "":
            self.accession = f"A{self.number:06}"
        if self.patient_number == "":
            self.patient_number = f"P{self.number:06}"

    @property
    def patient_id(self) -> UUID | None:
        return patient_key(UUID(PATIENT_NAMESPACE), ISSUER, self.patient_number) if self.patient_number else None

    @property
    def patient(self) -> PatientPhi:
        number = Identifier(value=self.patient_number, issuer=ISSUER) if self.patient_number else None
        return PatientPhi(
            id=number, family_name=self.family_name, given_name="Ada", birth_date=date(1970, 4, 1), sex=Sex.FEMALE
        )

    def order(self, **changed: Any) -> OrderPlaced:
        fields: dict[str, Any] = {
            "site": "MAIN",
            "order_id": self.order_id,
            "patient_id": self.patient_id or uuid4(),
            "accession_number": Identifier(value=self.accession or f"X{self.number}", issuer=ISSUER),
            "study_instance_uid": self.study_uid,
            "requested_procedure_id": f"RP{self.number}",
            "procedure": CodedConcept(code="CTCHEST", text="CT chest"),
            "modality": self.modality,
            "priority": Priority.ROUTINE,
            "asked_for": datetime.combine(self.study_date, datetime.min.time(), UTC),
            "source": Source.HL7,
            "patient": self.patient,
            "clinical": ClinicalPhi(),
        }
        return OrderPlaced(**fields | changed)

    def images(self, count: int, series_number: int = 1, **changed: Any) -> list[Image]:
        """Instances of one new series."""
        series_uid = generate_uid()
        return [self.image(series_uid, series_number, number, **changed) for number in range(1, count + 1)]

    def image(
        self, series_uid: str, series_number: int, number: int, syntax: str = ExplicitVRLittleEndian, **changed: Any
    ) -> Image:
        data_set = Dataset()
        data_set.SpecificCharacterSet = "ISO_IR 100"
        data_set.SOPClassUID = CTImageStorage
        data_set.SOPInstanceUID = generate_uid()
        data_set.StudyDate = self.study_date.strftime("%Y%m%d")
        data_set.StudyTime = "101530"
        data_set.Modality = self.modality
        data_set.StudyDescription = self.description
        data_set.AccessionNumber = self.accession or ""
        data_set.PatientName = f"{self.family_name}^Ada"
        data_set.PatientID = self.patient_number or ""
        data_set.StudyInstanceUID = self.study_uid
        data_set.SeriesInstanceUID = series_uid
        data_set.SeriesNumber = series_number
        data_set.InstanceNumber = number
        data_set.SamplesPerPixel = 1
        data_set.PhotometricInterpretation = "MONOCHROME2"
        data_set.Rows = data_set.Columns = 16
        data_set.BitsAllocated = data_set.BitsStored = 16
        data_set.HighBit = 15
        data_set.PixelRepresentation = 0
        data_set.PixelData = bytes(number % 256 for _ in range(16 * 16 * 2))
        for keyword, value in changed.items():
            setattr(data_set, keyword, value)
        return an_image(data_set, syntax)

    def stored(
        self, images: Sequence[Image], pack: ObjectRef, offsets: Sequence[int], **changed: Any
    ) -> InstancesStored:
        first = images[0].data_set
        fields: dict[str, Any] = {
            "site": "MAIN",
            "study_instance_uid": self.study_uid,
            "series_instance_uid": images[0].series,
            "pack": pack,
            "source": Source.DIMSE,
            "calling_ae_title": "CT1",
            "received_at": datetime.now(UTC),
            "accession_number": Identifier(value=self.accession, issuer=ISSUER) if self.accession else None,
            "patient_id": self.patient_id,
            "patient": self.patient,
            "study": StudyAttributes(study_date=self.study_date, study_time="101530", description=self.description),
            "series": SeriesAttributes(number=int(first.SeriesNumber), modality=self.modality, description="Lung"),
            "instances": tuple(map(_instance, images, offsets)),
        }
        return InstancesStored(**fields | changed)

    def started(self, **changed: Any) -> ExamStarted:
        return ExamStarted(**self._performed() | changed)

    def completed(self, images: Sequence[Image], **changed: Any) -> ExamCompleted:
        series = {image.series: [other.uid for other in images if other.series == image.series] for image in images}
        performed = tuple(
            PerformedSeries(series_instance_uid=uid, instances=tuple(uids), number_of_instances=len(uids))
            for uid, uids in series.items()
        )
        return ExamCompleted(**self._performed() | {"series": performed, "number_of_instances": len(images)} | changed)

    def _performed(self) -> dict[str, Any]:
        return {
            "site": "MAIN",
            "exam_key": str(self.order_id),
            "order_id": self.order_id,
            "study_instance_uid": self.study_uid,
            "mpps_instance_uid": str(generate_uid()),
            "modality": self.modality,
            "evidence": Evidence.MPPS,
        }


def an_image(data_set: Dataset, syntax: str = ExplicitVRLittleEndian) -> Image:
    """A data set as a device would send it in this transfer syntax, and as it lies in a pack."""
    data = DicomBytesIO()
    data.is_little_endian = True
    data.is_implicit_VR = syntax == ImplicitVRLittleEndian
    write_dataset(data, data_set)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    head = DicomBytesIO()
    write_file_meta_info(head, meta)
    return Image(data_set, syntax, data.getvalue(), bytes(128) + b"DICM" + head.getvalue() + data.getvalue())


@dataclass(frozen=True)
class Packer:
    """Puts packs into the object store, as `ingest` does: plain tar files."""

    store: S3Store
    bucket: str

    @classmethod
    def of(cls, s3: S3) -> "Packer":
        settings = S3Settings(
            endpoint=s3.endpoint, bucket=s3.bucket, access_key=s3.access_key, secret_key=s3.secret_key
        )
        return cls(S3Store(settings), s3.bucket)

    async def ship(self, exam: Exam, images: Sequence[Image], **changed: Any) -> InstancesStored:
        """One pack of the images of one series, and the fact about it."""
        segment = uuid4()
        origin = Origin(Source.DIMSE, "MAIN", changed.get("calling_ae_title", "CT1"))
        data, offsets = a_tar(images, plain_member(ABOUT, about(segment, exam.study_uid, origin)))
        key = f"packs/{segment}.tar"
        info = await self.store.put(key, data)
        assert info.sha256 is not None
        ref = ObjectRef(bucket=self.bucket, key=key, size=info.size, sha256=info.sha256)
        return exam.stored(images, ref, offsets, **changed)

    async def join(self, exam: Exam, sent: Mapping[str, Image]) -> InstancesStored:
        """One pack that replaces several: one image of each sender, all of one series."""
        data, offsets = b"", list[int]()
        for sender, image in sent.items():
            first = plain_member(ABOUT, about(uuid4(), exam.study_uid, Origin(Source.DIMSE, "MAIN", sender)))
            part, (offset,) = a_tar([image], first)
            offsets.append(len(data) + offset)
            end = offset + len(image.file)
            data += part[: end + len(padding(end))]
        key = f"packs/{uuid4()}.tar"
        info = await self.store.put(key, data + END)
        ref = ObjectRef(bucket=self.bucket, key=key, size=info.size, sha256=info.sha256 or "")
        return exam.stored(list(sent.values()), ref, offsets)


def a_tar(images: Sequence[Image], first: bytes = b"") -> tuple[bytes, list[int]]:
    """A pack, and where each file begins in it. `first`: what stands before them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for image in images:
            info = tarfile.TarInfo(f"{image.series}/{image.uid}")
            info.size = len(image.file)
            info.mtime = RECEIVED_AT.timestamp()
            info.pax_headers = {"FILMJACKET.sha256": image.sha256}
            tar.addfile(info, io.BytesIO(image.file))
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        return first + stream.getvalue(), [len(first) + member.offset_data for member in tar.getmembers()]


def an_encapsulated(frames: Sequence[bytes], *, table: bool) -> bytes:
    """The value of encapsulated pixel data, each frame in two fragments where there is a table, else in one."""
    pieces = [[frame[: len(frame) // 2], frame[len(frame) // 2 :]] if table else [frame] for frame in frames]
    offsets, place = [], 0
    for fragments in pieces:
        offsets.append(place)
        place += sum(8 + len(fragment) for fragment in fragments)
    begins = b"".join(offset.to_bytes(4, "little") for offset in offsets) if table else b""
    return _item(begins) + b"".join(_item(fragment) for fragments in pieces for fragment in fragments)


def items(*data_sets: Dataset) -> Items:
    """A sequence."""
    return Items(data_sets)


def _item(data: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(data).to_bytes(4, "little") + data


def _instance(image: Image, offset: int) -> StoredInstance:
    data_set = image.data_set
    return StoredInstance(
        sop_instance_uid=image.uid,
        sop_class_uid=str(data_set.SOPClassUID),
        transfer_syntax_uid=image.transfer_syntax,
        number=int(data_set.InstanceNumber),
        rows=data_set.get("Rows"),
        columns=data_set.get("Columns"),
        frames=int(data_set.get("NumberOfFrames") or 1),
        offset=offset,
        length=len(image.file),
        data_offset=len(image.file) - len(image.data),
        sha256=image.sha256,
    )

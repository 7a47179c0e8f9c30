"""A CT scanner: it asks for its worklist, says what it does by MPPS, and sends its images."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association

from fj_simulators.doors import Doors
from fj_simulators.exam import Exam
from fj_simulators.procedure_steps import Performed, WorklistEntry, code, final, in_progress, reference, worklist_query
from fj_simulators.volume import chest

ModalityWorklistInformationFind: Final = UID("1.2.840.10008.5.1.4.31")
ModalityPerformedProcedureStep: Final = UID("1.2.840.10008.3.1.2.3.3")
SUCCESS: Final = 0x0000
PENDING: Final = (0xFF00, 0xFF01)


DUPLICATE: Final = 0x0111
"""SOP Instance already there (PS3.7 C.4.2): to a second try it says that the first one had arrived."""
NO_LONGER: Final = 0xA710
"""Error ID of a step that may no longer be updated (PS3.4 F.7.2.2): the same of a final N-SET. Its status alone, 0110H,
says nothing: that is any failure of the SCP."""
TRIES: Final = 3
T = TypeVar("T")


class Unexpected(Exception):
    """The SCP answered with another status than success."""


class NoAnswer(Unexpected):
    """The SCP did not answer, or the answer was lost on the way to us: try again, as scanners do."""


class Modality:
    """One scanner. Calls block in threads, so that many can run at once."""

    def __init__(self, doors: Doors, ae_title: str = "CT1") -> None:
        self._doors = doors
        self._ae_title = ae_title

    async def worklist(self, *, accession: str = "") -> list[WorklistEntry]:
        """The open steps of this station, or the one with this accession number (IHE RAD-5)."""
        return await asyncio.to_thread(_trying, lambda _: self._find(accession))

    async def starts(self, made: Performed, *entries: WorklistEntry | None, again: bool = False) -> None:
        """MPPS N-CREATE, IN PROGRESS (IHE RAD-6); without a worklist entry it is an unscheduled step.

        Several entries: one acquisition for all of them (SWF.b group case). `again`: the same may have arrived before,
        so that "it is there already" is as good as success.
        """
        await asyncio.to_thread(_trying, lambda retry: self._create(made, entries, again=again or retry))

    async def sends(self, made: Performed) -> None:
        """C-STORE of every image over one association (IHE RAD-8)."""
        await asyncio.to_thread(_trying, lambda _: self._store(made.images))

    async def completes(self, made: Performed, *, again: bool = False) -> None:
        """MPPS N-SET with the list of what was made (IHE RAD-7); `again` as in `starts`."""
        await asyncio.to_thread(
            _trying, lambda retry: self._set(final(made, "COMPLETED", self._ae_title), made, again=again or retry)
        )

    async def gives_up(self, made: Performed, reason: str, *, again: bool = False) -> None:
        """MPPS N-SET, DISCONTINUED with a reason code of CID 9300 (PS3.16), e.g. 110514 for the wrong entry."""
        content = final(made, "DISCONTINUED", self._ae_title)
        content.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code(reason, "DCM", "as the code says")]
        await asyncio.to_thread(_trying, lambda retry: self._set(content, made, again=again or retry))

    async def performs(self, exam: Exam, slices: int = 4, size: int = 128) -> Performed:
        """The whole exam: worklist, start, images, end."""
        entries = await self.worklist(accession=exam.accession_number)
        if len(entries) != 1:
            raise Unexpected(f"{len(entries)} worklist entries for accession {exam.accession_number}")
        made = self.acquires(entries[0], slices, size)
        await self.starts(made, entries[0])
        await self.sends(made)
        await self.completes(made)
        return made

    def acquires(self, entry: WorklistEntry, slices: int = 4, size: int = 128) -> Performed:
        """Images that carry what the worklist said."""
        item = entry.dataset
        head = Dataset()
        for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"):
            head.__setattr__(keyword, item.get(keyword, ""))
        head.AccessionNumber = item.AccessionNumber
        head.StudyInstanceUID = item.StudyInstanceUID
        head.StudyDescription = item.get("RequestedProcedureDescription", "")
        head.SpecificCharacterSet = item.get("SpecificCharacterSet", "ISO_IR 192")
        return self._images(head, slices, size)

    def acquires_unscheduled(self, exam: Exam, slices: int = 4, size: int = 128) -> Performed:
        """Images of a patient typed in at the console: no order, no accession number."""
        head = Dataset()
        name = exam.patient.names[0]
        head.SpecificCharacterSet = "ISO_IR 192"
        head.PatientName = f"{name.family}^{name.given}"
        head.PatientID = exam.patient_id
        head.IssuerOfPatientID = exam.issuer
        head.PatientBirthDate = f"{exam.patient.birth_date:%Y%m%d}" if exam.patient.birth_date else ""
        head.PatientSex = exam.patient.sex
        head.AccessionNumber = ""
        head.StudyInstanceUID = generate_uid()
        head.StudyDescription = "Emergency chest"
        return self._images(head, slices, size)

    def _images(self, head: Dataset, slices: int, size: int) -> Performed:
        now, series, frame, mpps = datetime.now(UTC), generate_uid(), generate_uid(), generate_uid()
        images = []
        for number, plane in enumerate(_planes(slices, size), start=1):
            image = Dataset()
            image.update(head)
            image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
            image.StudyDate = image.SeriesDate = image.ContentDate = f"{now:%Y%m%d}"
            image.StudyTime = image.SeriesTime = image.ContentTime = f"{now:%H%M%S}"
            image.Modality, image.StationName, image.StudyID = "CT", self._ae_title, "1"
            image.SeriesInstanceUID, image.SeriesNumber, image.InstanceNumber = series, 1, number
            image.SeriesDescription, image.BodyPartExamined = "Chest axial", "CHEST"
            image.FrameOfReferenceUID = frame
            image.ReferringPhysicianName = "Refer^Rita"
            image.ReferencedPerformedProcedureStepSequence = [reference(ModalityPerformedProcedureStep, mpps)]
            _pixels(image, plane, number, slices, size)
            images.append(image)
        return Performed(str(head.StudyInstanceUID), mpps, tuple(images))

    def _find(self, accession: str) -> list[WorklistEntry]:
        query = worklist_query()
        query.AccessionNumber = accession
        query.ScheduledProcedureStepSequence[0].ScheduledStationAETitle = self._ae_title
        found = []
        with self._associated(self._doors.worklist, "FJ_MWL", [ModalityWorklistInformationFind]) as association:
            for status, item in association.send_c_find(query, ModalityWorklistInformationFind):
                _expect(status, "C-FIND", *PENDING)
                if item is not None:
                    found.append(WorklistEntry(item))
        return found

    def _create(self, made: Performed, entries: Sequence[WorklistEntry | None], *, again: bool) -> None:
        with self._associated(self._doors.worklist, "FJ_MWL", [ModalityPerformedProcedureStep]) as association:
            content = in_progress(made, entries or (None,), self._ae_title)
            status, _ = association.send_n_create(content, ModalityPerformedProcedureStep, made.mpps_instance_uid)
            _expect(status, "N-CREATE", DUPLICATE if again else SUCCESS)

    def _set(self, content: Dataset, made: Performed, *, again: bool) -> None:
        with self._associated(self._doors.worklist, "FJ_MWL", [ModalityPerformedProcedureStep]) as association:
            answer, _ = association.send_n_set(content, ModalityPerformedProcedureStep, made.mpps_instance_uid)
            if not (again and answer.get("ErrorID") == NO_LONGER):
                _expect(answer, "N-SET")

    def _store(self, images: Sequence[Dataset]) -> None:
        with self._associated(self._doors.images, "FJ_STORE", [CTImageStorage]) as association:
            for image in images:
                _settle(association)
                _expect(association.send_c_store(image), "C-STORE")

    @contextmanager
    def _associated(self, port: int, called: str, classes: Iterable[str]) -> Iterator[Association]:
        scanner = AE(ae_title=self._ae_title)
        scanner.acse_timeout = scanner.dimse_timeout = scanner.network_timeout = 15
        for uid in classes:
            scanner.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        handlers: Any = [(evt.EVT_CONN_OPEN, _without_delay)]
        association = scanner.associate(self._doors.host, port, ae_title=called, evt_handlers=handlers)
        if not association.is_established:
            raise Unexpected(f"no association with {called} on port {port}")
        try:
            yield association
        finally:
            association.release()


def _without_delay(event: Any) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _settle(association: Association) -> None:
    """Wait until pynetdicom's reactor runs again after the last exchange: else it may take the next answer from us."""
    deadline = time.monotonic() + 1
    while association._is_paused and time.monotonic() < deadline:
        time.sleep(0.0005)


def _trying(act: Callable[[bool], T]) -> T:
    """What `act(again)` returns; without an answer it is tried again, three times at most."""
    for attempt in range(TRIES - 1):
        try:
            return act(attempt > 0)
        except NoAnswer:
            continue
    return act(True)


def _expect(status: Any, what: str, *also: int) -> None:
    if not status:
        raise NoAnswer(f"{what}: no answer")
    if status.Status not in (SUCCESS, *also):
        raise Unexpected(f"{what}: {status.Status:04X} {status.get('ErrorComment', '')}")


@lru_cache(maxsize=8)
def _planes(slices: int, size: int) -> Any:
    return chest(slices, size)


def _pixels(image: Dataset, plane: Any, number: int, slices: int, size: int) -> None:
    """The image pixel and CT image modules (PS3.3 C.7.6.3, C.8.2.1)."""
    spacing = 360 / size
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.Rows = image.Columns = size
    image.PixelSpacing = [spacing, spacing]
    image.SliceThickness = 300 / slices
    image.ImagePositionPatient = [-180, -180, number * 300 / slices]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = 0, 1, "HU"
    image.WindowCenter, image.WindowWidth = 40, 400
    image.KVP = 120
    image.PixelData = plane.astype("<i2").tobytes()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta = meta

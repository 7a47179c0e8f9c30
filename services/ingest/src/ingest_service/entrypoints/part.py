"""One part of a STOW-RS request: a Part 10 file on its way into the journal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fj_dicom import BadDataSet, FileHeader, read_file_header
from fj_packs.pack import Identity

from ingest_service.domain.reception import Expected, NotAccepted, Reason
from ingest_service.entrypoints.intake import Intake
from ingest_service.entrypoints.storable import Storable
from ingest_service.ports import Writer

APPLICATION_DICOM: Final = b"application/dicom"


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of one part. Identifiers are as far as they were found out, empty where they were not."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    refusal: NotAccepted | None


class Part:
    """Never raises NotAccepted: what is wrong is in the result, and the rest of the part is passed over."""

    def __init__(self, writer: Writer, storable: Storable, study_instance_uid: str | None) -> None:
        self._writer = writer
        self._storable = storable
        self._study_instance_uid = study_instance_uid
        self._head = bytearray()
        self._file: FileHeader | None = None
        self._intake: Intake | None = None
        self._refusal: NotAccepted | None = None

    def header(self, name: bytes, value: bytes) -> None:
        """The part's Content-Type; a part without one is taken for what the request says."""
        if name == b"content-type" and value.split(b";")[0].strip().lower() != APPLICATION_DICOM:
            self._refusal = NotAccepted(Reason.NOT_UNDERSTOOD, "a part is not application/dicom")

    def write(self, data: memoryview) -> None:
        """The next bytes of the file."""
        self._guarded(lambda: self._write(data))

    def finish(self) -> PartResult:
        """The part is complete."""
        self._guarded(self._finish)
        return self._result()

    def refuse(self, refusal: NotAccepted) -> PartResult:
        """The part will not be completed."""
        self._refuse(refusal)
        return self._result()

    def abandon(self) -> None:
        """Keep nothing."""
        if self._intake is not None:
            self._intake.abandon()

    def _write(self, data: memoryview) -> None:
        if self._intake is not None:
            self._intake.write(data)
            return
        self._head += data
        with memoryview(self._head) as head:
            self._file = read_file_header(head)
        if self._file is not None:
            self._intake = self._open(self._file)
            self._intake.write(bytes(self._head[self._file.length :]))

    def _open(self, file: FileHeader) -> Intake:
        self._storable.check(file.sop_class_uid, file.transfer_syntax_uid)
        header = bytes(self._head[: file.length])
        expected = Expected(file.sop_class_uid, file.sop_instance_uid or None, self._study_instance_uid)
        return Intake(self._writer, file.transfer_syntax_uid, expected, lambda _: header)

    def _finish(self) -> None:
        if self._intake is None:
            raise NotAccepted(Reason.NOT_UNDERSTOOD, "file ends before its data set begins")
        self._intake.finish()

    def _guarded(self, act: Callable[[], None]) -> None:
        if self._refusal is not None:
            return
        try:
            act()
        except NotAccepted as refusal:
            self._refuse(refusal)
        except BadDataSet as error:
            self._refuse(NotAccepted(Reason.NOT_UNDERSTOOD, f"file {error}"))

    def _refuse(self, refusal: NotAccepted) -> None:
        self._refusal = self._refusal or refusal
        self.abandon()

    def _result(self) -> PartResult:
        found = self._intake.identity() if self._intake is not None else Identity("", "", "", "", "")
        file = self._file or FileHeader(0, "", "", "")
        return PartResult(
            sop_class_uid=found.sop_class_uid or file.sop_class_uid,
            sop_instance_uid=found.sop_instance_uid or file.sop_instance_uid,
            series_instance_uid=found.series_instance_uid,
            study_instance_uid=found.study_instance_uid,
            refusal=self._refusal,
        )

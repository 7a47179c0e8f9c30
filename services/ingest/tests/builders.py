"""Synthetic instances, and a sender of them."""

import asyncio
import itertools
import secrets
import time
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from threading import Event
from typing import Any, Final

from fj_dicom import file_header, write
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

EXPLICIT: Final = str(ExplicitVRLittleEndian)
CT: Final = str(CTImageStorage)
_MESSAGES: Final = itertools.count(1)


def a_uid() -> str:
    return str(generate_uid())


def an_instance(study: str | None = None, series: str | None = None, pixels: int = 2000, **attributes: Any) -> Dataset:
    """A CT slice of one patient, who is made up; `pixels` are bytes."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = a_uid()
    dataset.StudyDate = "20260302"
    dataset.StudyTime = "091500"
    dataset.AccessionNumber = "A4711"
    dataset.Modality = "CT"
    dataset.StudyDescription = "CT chest"
    dataset.PatientName = "Müller^Jörg=山田^太郎"
    dataset.PatientID = "P4711"
    dataset.PatientBirthDate = "19700401"
    dataset.PatientSex = "M"
    dataset.StudyInstanceUID = study or a_uid()
    dataset.SeriesInstanceUID = series or a_uid()
    dataset.SeriesNumber = 2
    dataset.InstanceNumber = 1
    dataset.Rows = dataset.Columns = 8
    dataset.add_new("PixelData", "OW", secrets.token_bytes(pixels))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def encoded(dataset: Dataset, transfer_syntax: str = EXPLICIT) -> bytes:
    return write(dataset, transfer_syntax)


def deflated(data: bytes) -> bytes:
    """As in Deflated Explicit VR Little Endian (PS3.5 A.5)."""
    squeezing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezing.compress(data) + squeezing.flush()


def part10(dataset: Dataset, transfer_syntax: str = EXPLICIT) -> bytes:
    """A DICOM file."""
    header = file_header(dataset.SOPClassUID, dataset.SOPInstanceUID, transfer_syntax, "TESTS")
    return header + encoded(dataset, transfer_syntax)


class Modality:
    """Sends data sets as they are, be they right or wrong."""

    def __init__(self, port: int, ae_title: str = "CT9", called: str = "FJ_STORE", sop_class: str = CT) -> None:
        self._port = port
        self._ae_title = ae_title
        self._called = called
        self._sop_class = sop_class

    async def store(self, *datasets: Dataset, syntax: str = EXPLICIT) -> list[int]:
        """The status of each, over one association."""
        return await self.run(lambda link: [send(link, dataset, syntax) for dataset in datasets], syntax)

    async def run(self, act: Callable[[Association], Sequence[int]], *syntaxes: str) -> list[int]:
        """What `act` does with an association that proposes its SOP class in these transfer syntaxes."""
        return await asyncio.to_thread(self._run, act, syntaxes)

    def _run(self, act: Callable[[Association], Sequence[int]], syntaxes: Sequence[str]) -> list[int]:
        link = self.associate(*syntaxes)
        assert link.is_established
        try:
            return list(act(link))
        finally:
            link.release()

    def associate(self, *syntaxes: str) -> Association:
        ae = AE(self._ae_title)
        ae.add_requested_context(self._sop_class, list(syntaxes))
        return ae.associate("127.0.0.1", self._port, ae_title=self._called)


def _waits_at(checkpoint: Event) -> bool:
    """Whether a thread waits there: `_is_paused` is true for a moment as well while it passes."""
    return bool(vars(vars(checkpoint)["_cond"])["_waiters"])


def send(
    link: Association,
    dataset: Dataset,
    syntax: str = EXPLICIT,
    data: bytes | None = None,
    sop_instance_uid: str | None = None,
) -> int:
    """One C-STORE; `data` and `sop_instance_uid` where they shall differ from the data set."""
    request = C_STORE()
    request.MessageID = next(_MESSAGES) % 65536
    request.AffectedSOPClassUID = dataset.SOPClassUID
    request.AffectedSOPInstanceUID = sop_instance_uid or dataset.SOPInstanceUID
    request.Priority = 2
    request.DataSet = BytesIO(encoded(dataset, syntax) if data is None else data)
    context = link.accepted_contexts[0].context_id
    assert context is not None
    # As pynetdicom itself does around each message: its own loop must not take the answer.
    link._reactor_checkpoint.clear()
    while not (link._is_paused and _waits_at(link._reactor_checkpoint)):
        time.sleep(0.001)
    link.dimse.send_msg(request, context)
    _, answer = link.dimse.get_msg(block=True)
    link._reactor_checkpoint.set()
    assert isinstance(answer, C_STORE), "the association was lost"
    assert answer.Status is not None
    return int(answer.Status)

"""C-STORE (PS3.4 Annex B; IHE RAD-8): into the journal."""

from typing import Final

from fj_dicom import OK, Caller, Incoming, Receiver, Refused, Sink, Status, file_header
from fj_events import Source
from fj_packs.pack import Identity, Origin

from ingest_service.domain.reception import Expected, NotAccepted
from ingest_service.entrypoints.intake import Intake
from ingest_service.entrypoints.metrics import RECEIVED, REFUSED
from ingest_service.entrypoints.storable import STATUS
from ingest_service.ports import Journal, Writer

_RECEIVED: Final = RECEIVED.labels(Source.DIMSE)


class JournalStorage:
    """`fj_dicom.Storage` on the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def receiver(self, caller: Caller) -> Receiver:
        """See `fj_dicom.Storage.receiver`."""
        origin = Origin(Source.DIMSE, caller.site, caller.ae_title)
        return _Receiver(self._journal.writer(origin), caller)


class _Receiver:
    def __init__(self, writer: Writer, caller: Caller) -> None:
        self._writer = writer
        self._caller = caller

    def begin(self, incoming: Incoming) -> Sink:
        command = incoming.command
        expected = Expected(command.sop_class_uid, command.sop_instance_uid)

        def header(identity: Identity) -> bytes:
            return file_header(
                identity.sop_class_uid,
                identity.sop_instance_uid,
                identity.transfer_syntax_uid,
                self._caller.ae_title,
            )

        return _Sink(Intake(self._writer, incoming.transfer_syntax, expected, header))

    def close(self) -> None:
        self._writer.close()


class _Sink:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def write(self, *pieces: memoryview) -> None:
        try:
            self._intake.write(*pieces)
        except NotAccepted as refusal:
            raise _refused(refusal) from refusal

    def finish(self) -> Status:
        try:
            self._intake.finish()
        except NotAccepted as refusal:
            raise _refused(refusal) from refusal
        _RECEIVED.inc()
        return OK

    def abandon(self) -> None:
        self._intake.abandon()


def _refused(refusal: NotAccepted) -> Refused:
    REFUSED.labels(Source.DIMSE, refusal.reason).inc()
    return Refused(Status(STATUS[refusal.reason], refusal.comment))

"""One data set on its way from a door into the journal: found out what it is while it arrives, checked to its end."""

from collections.abc import Callable, Sequence
from typing import Final

from fj_dicom import BadDataSet, TagScanner
from fj_packs.pack import Identity

from ingest_service.domain.reception import Expected, NotAccepted, Reason, check
from ingest_service.ports import Entry, Writer

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
HEAD_MAX: Final = 16 * 1024 * 1024
"""So far into a data set its Series Instance UID is looked for, bytes; what comes before is kept in memory."""


class Intake:
    """Writes one data set. Every method but `abandon` may raise NotAccepted; nothing is kept then."""

    def __init__(
        self, writer: Writer, transfer_syntax: str, expected: Expected, header: Callable[[Identity], bytes]
    ) -> None:
        self._writer = writer
        self._transfer_syntax = transfer_syntax
        self._expected = expected
        self._header = header
        self._tags = TagScanner(
            transfer_syntax, (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
        )
        self._head = bytearray()
        self._entry: Entry | None = None
        self._size = 0

    def write(self, *pieces: bytes | memoryview) -> None:
        """The next bytes of the data set."""
        self._size += sum(map(len, pieces))
        if self._entry is not None:
            self._entry.write(*pieces)
            return
        for number, piece in enumerate(pieces, start=1):
            if self._look(piece, pieces[number:]):
                return

    def finish(self) -> None:
        """The data set is complete: check it, make it durable."""
        entry = self._entry or self._begin(self._head, ())
        if not self._tags.ends_at(self._size):
            try:
                with entry.view() as data:
                    self._tags.finish(data)
            except BadDataSet as error:
                raise _not_understood(error) from error
        entry.commit()

    def abandon(self) -> None:
        """Keep nothing."""
        if self._entry is not None:
            self._entry.abandon()

    def _look(self, piece: bytes | memoryview, further: Sequence[bytes | memoryview]) -> bool:
        """Whether it is known now what it is; all pieces are written then."""
        # In nearly all data sets the first piece tells; only where it does not, pieces are put together.
        head = self._head + piece if self._head else piece
        try:
            passed = self._tags.feed(memoryview(head))
        except BadDataSet as error:
            raise _not_understood(error) from error
        if passed:
            self._begin(head, further)
        elif len(head) > HEAD_MAX:
            raise NotAccepted(Reason.NOT_UNDERSTOOD, f"no Series Instance UID in the first {HEAD_MAX} bytes")
        else:
            self._head = bytearray(head)
        return passed

    def _begin(self, head: bytes | bytearray | memoryview, further: Sequence[bytes | memoryview]) -> Entry:
        identity = self.identity()
        check(identity, self._expected)
        self._entry = self._writer.begin(identity, self._header(identity))
        self._entry.write(memoryview(head), *further)
        self._head = bytearray()
        return self._entry

    def identity(self) -> Identity:
        """The identifiers that were found so far; empty where none was."""
        return Identity(
            sop_class_uid=self._tags.text(SOP_CLASS_UID),
            sop_instance_uid=self._tags.text(SOP_INSTANCE_UID),
            series_instance_uid=self._tags.text(SERIES_INSTANCE_UID),
            study_instance_uid=self._tags.text(STUDY_INSTANCE_UID),
            transfer_syntax_uid=self._transfer_syntax,
        )


def _not_understood(error: BadDataSet) -> NotAccepted:
    return NotAccepted(Reason.NOT_UNDERSTOOD, f"data set {error}")

"""A STOW-RS request of metadata and bulk data (PS3.18 section 10.5.1.2): files are put together here."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from fj_dicom import file_header
from fj_packs.pack import Identity

from ingest_service.domain.reception import Expected, NotAccepted, Reason
from ingest_service.entrypoints import native_xml
from ingest_service.entrypoints.assembling import Assembled, assembled
from ingest_service.entrypoints.bulk import METADATA_MAX, Piece, Spool
from ingest_service.entrypoints.intake import Intake
from ingest_service.entrypoints.multipart import MultipartBody
from ingest_service.entrypoints.part import PartResult
from ingest_service.entrypoints.storable import Storable
from ingest_service.ports import Writer

DICOM_JSON: Final = "application/dicom+json"
DICOM_XML: Final = "application/dicom+xml"


class DescribedBody:
    """See `ingest_service.entrypoints.multipart.Body`. All parts are on disk before the first instance is written."""

    def __init__(self, boundary: bytes, spool: Spool, writer: Writer, storable: Storable, study: str | None) -> None:
        self.results: list[PartResult] = []
        self._spool = spool
        self._body = MultipartBody(boundary, spool.part)
        self._writer = writer
        self._storable = storable
        self._study = study

    def feed(self, data: bytes) -> bool:
        """See `Body.feed`."""
        return self._body.feed(data)

    def end(self) -> None:
        """See `Body.end`."""
        self._body.end()
        self._store()

    def stop(self, refusal: NotAccepted) -> None:
        """See `Body.stop`: what is not complete is not put together."""
        self._body.stop(refusal)
        self.results.append(_refused(refusal))

    def abandon(self) -> None:
        """See `Body.abandon`."""
        self._spool.close()

    def _store(self) -> None:
        refusal = next((piece.refusal for piece in self._body.results if piece.refusal), None)
        if refusal is not None:
            self.results.append(_refused(refusal))
            return
        bulk: dict[str, list[Piece]] = defaultdict(list)
        for piece in self._body.results:
            if piece.location and piece.media_type not in {DICOM_JSON, DICOM_XML}:
                bulk[piece.location].append(piece)
        try:
            for described in self._described():
                self.results.append(self._instance(described, bulk))
        except NotAccepted as refused:
            self.results.append(_refused(refused))

    def _described(self) -> Iterator[dict[str, Any]]:
        """The data sets of all metadata. Raises NotAccepted."""
        left = METADATA_MAX
        for piece in self._body.results:
            if piece.media_type not in {DICOM_JSON, DICOM_XML}:
                continue
            text = self._spool.whole(piece, left)
            left -= len(text)
            try:
                found = json.loads(text) if piece.media_type == DICOM_JSON else [native_xml.described(text)]
            except (ValueError, RecursionError):
                raise NotAccepted(Reason.NOT_UNDERSTOOD, "metadata cannot be read") from None
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise NotAccepted(Reason.NOT_UNDERSTOOD, "metadata is no array of data sets")
            yield from found

    def _instance(self, described: dict[str, Any], bulk: dict[str, list[Piece]]) -> PartResult:
        named = _named(described)
        intake: Intake | None = None
        try:
            instance = assembled(described, bulk, self._spool)
            self._storable.check(instance.sop_class_uid, instance.transfer_syntax_uid)
            intake = Intake(
                self._writer, instance.transfer_syntax_uid, Expected(study_instance_uid=self._study), _header(instance)
            )
            for piece in instance.content():
                intake.write(piece)
            intake.finish()
        except NotAccepted as refusal:
            if intake is not None:
                intake.abandon()
            return _refused(refusal, named)
        return _refused(None, named)


def _header(instance: Assembled) -> Any:
    made = file_header(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, "")
    return lambda _: made


def _named(described: dict[str, Any]) -> Identity:
    """The identifiers of an instance as its metadata names them."""

    def uid(tag: str) -> str:
        element = described.get(tag)
        values = element.get("Value") if isinstance(element, dict) else None
        return str(values[0]) if isinstance(values, list) and values else ""

    return Identity(uid("00080016"), uid("00080018"), uid("0020000E"), uid("0020000D"), "")


def _refused(refusal: NotAccepted | None, named: Identity | None = None) -> PartResult:
    found = named or Identity("", "", "", "", "")
    return PartResult(
        found.sop_class_uid, found.sop_instance_uid, found.series_instance_uid, found.study_instance_uid, refusal
    )

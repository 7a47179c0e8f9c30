"""What a Key Object Selection document says (PS3.3 A.35.4), where it rejects (IHE RAD TF, RAD-66)."""

from collections.abc import Iterator

from pydicom import Dataset

from storage_service.adapters.headers import Headers
from storage_service.domain.rejection import SCHEME, Code, Named
from storage_service.domain.retrieval import Stored


class StoredNotes:
    """Reads notes out of their packs."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    async def read(self, stored: Stored) -> tuple[Code, tuple[Named, ...]] | None:
        """Why it rejects, and what; None where it rejects nothing. Raises Gone, Unreadable."""
        document = (await self._headers.read(stored)).data_set
        code = _title(document)
        return (code, tuple(_named(document))) if code else None


def _title(document: Dataset) -> Code | None:
    for concept in document.get("ConceptNameCodeSequence") or ():
        value = str(concept.get("CodeValue") or "")
        if concept.get("CodingSchemeDesignator") == SCHEME and value in set(Code):
            return Code(value)
    return None


def _named(document: Dataset) -> Iterator[Named]:
    """The instances of its Current Requested Procedure Evidence Sequence (PS3.3 C.17.2)."""
    for study in document.get("CurrentRequestedProcedureEvidenceSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for instance in series.get("ReferencedSOPSequence") or ():
                uids = (study.get("StudyInstanceUID"), series.get("SeriesInstanceUID"))
                sop_instance_uid = instance.get("ReferencedSOPInstanceUID")
                if all(uids) and sop_instance_uid:
                    yield Named(str(uids[0]), str(uids[1]), str(sop_instance_uid))

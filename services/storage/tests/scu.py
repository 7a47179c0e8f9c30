"""Query/retrieve requestors for the tests: pynetdicom's own."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

PATIENT_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.1.1")
FIND_LIMIT = 40
"""Of the storage under test."""
STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")


def a_query(level: str, *returned: str, **keys: object) -> Dataset:
    """An identifier: matching keys, and attributes that are to be returned."""
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword in returned:
        setattr(query, keyword, None)
    for keyword, value in keys.items():
        # Unchecked: the other side is to do that.
        query.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=config.IGNORE))
    return query


@dataclass(frozen=True)
class Answers:
    """What came back of a C-FIND."""

    identifiers: list[Dataset]
    statuses: list[Dataset]
    """All, the final one included."""

    @property
    def final(self) -> Dataset:
        return self.statuses[-1]


@dataclass(frozen=True)
class Workstation:
    """Asks `FJ_QR`. Each call is an association of its own."""

    port: int
    ae_title: str = "WS1"

    async def finds(
        self,
        query: Dataset,
        model: UID = STUDY_ROOT_FIND,
        *,
        options: bytes = b"",
        implicit: bool = False,
        cancel_after: int = 0,
    ) -> Answers:
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        return await asyncio.to_thread(self._find, query, model, options, syntax, cancel_after)

    def _find(self, query: Dataset, model: UID, options: bytes, syntax: UID, cancel_after: int) -> Answers:
        answers = Answers([], [])
        with self.associated([(model, [syntax])], options={model: options} if options else {}) as link:
            for status, identifier in link.send_c_find(query, model, msg_id=7):
                answers.statuses.append(status)
                if identifier is not None:
                    answers.identifiers.append(identifier)
                if cancel_after and len(answers.identifiers) == cancel_after:
                    link.send_c_cancel(7, query_model=model)
        return answers

    @contextmanager
    def associated(
        self, contexts: Sequence[tuple[UID, Sequence[str]]], options: dict[UID, bytes] | None = None
    ) -> Iterator[Association]:
        """An accepted association with these contexts and options of extended negotiation."""
        ae = AE(self.ae_title)
        for abstract, syntaxes in contexts:
            ae.add_requested_context(abstract, list(syntaxes))
        items = []
        for sop_class, asked in (options or {}).items():
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = sop_class, asked
            items.append(item)
        link = ae.associate("127.0.0.1", self.port, ae_title="FJ_QR", ext_neg=[*items])
        assert link.is_established
        try:
            yield link
        finally:
            link.release()

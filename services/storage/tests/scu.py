"""Query/retrieve requestors for the tests: pynetdicom's own."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import C_STORE, N_EVENT_REPORT

PATIENT_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.1.1")
PATIENT_ROOT_MOVE = UID("1.2.840.10008.5.1.4.1.2.1.2")
STUDY_ROOT_MOVE = UID("1.2.840.10008.5.1.4.1.2.2.2")
STUDY_ROOT_GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
INSTANCE_AVAILABILITY = UID("1.2.840.10008.5.1.4.33")
STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")
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
class Received:
    """An instance that was sent to us."""

    uid: str
    transfer_syntax: str
    data: bytes
    """The data set."""
    originator: tuple[str | None, int | None] = (None, None)


@dataclass(frozen=True)
class Got:
    """What came of a C-GET."""

    answers: Answers
    received: list[Received]


@dataclass
class Destination:
    """A storage SCP by pynetdicom."""

    ae_title: str
    port: int
    syntaxes: Sequence[str] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    takes: Callable[[str], int] = lambda _: 0x0000
    sop_classes: Sequence[UID] = (CTImageStorage, KeyObjectSelectionDocumentStorage)
    received: list[Received] = field(default_factory=list)
    associations: int = 0

    def __enter__(self) -> Self:
        ae = AE(self.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = 10
        for sop_class in self.sop_classes:
            ae.add_supported_context(sop_class, list(self.syntaxes))
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take), (evt.EVT_ACCEPTED, self._count)]
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        assert server is not None
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _take(self, event: Event) -> int:
        request = cast("C_STORE", event.request)
        assert request.DataSet is not None
        originator = (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID)
        uid = str(request.AffectedSOPInstanceUID)
        status = self.takes(uid)
        if status == 0x0000:
            self.received.append(Received(uid, event.context.transfer_syntax, request.DataSet.getvalue(), originator))
        return status

    def _count(self, _: Event) -> None:
        self.associations += 1


@dataclass(frozen=True)
class Report:
    """An N-EVENT-REPORT that was taken."""

    caller: str
    event_type: int
    content: Dataset


@dataclass
class Modality:
    """Takes the results of storage commitment: an SCU of it that listens (PS3.4 J.3.3), by pynetdicom."""

    ae_title: str
    port: int
    reports: list[Report] = field(default_factory=list)

    def __enter__(self) -> Self:
        ae = AE(self.ae_title)
        ae.require_called_aet = True
        ae.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self._take)]
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        assert server is not None
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _take(self, event: Event) -> tuple[int, None]:
        request = cast("N_EVENT_REPORT", event.request)
        assert request.EventTypeID is not None
        caller = str(event.assoc.requestor.ae_title)
        self.reports.append(Report(caller, request.EventTypeID, event.event_information))
        return 0x0000, None


@dataclass
class Notified:
    """Takes Instance Availability Notifications (PS3.4 Annex R), by pynetdicom."""

    ae_title: str
    port: int
    contents: list[Dataset] = field(default_factory=list)

    def __enter__(self) -> Self:
        ae = AE(self.ae_title)
        ae.add_supported_context(INSTANCE_AVAILABILITY)
        handlers: list[Any] = [(evt.EVT_N_CREATE, self._take)]
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        assert server is not None
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _take(self, event: Event) -> tuple[int, Dataset]:
        self.contents.append(event.attribute_list)
        return 0x0000, event.attribute_list


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

    async def gets(
        self, query: Dataset, syntaxes: Sequence[str], *sop_classes: UID, model: UID = STUDY_ROOT_GET
    ) -> "Got":
        """C-GET; instances of the classes, by default CT, are taken in these transfer syntaxes."""
        return await asyncio.to_thread(self._get, query, syntaxes, sop_classes or (CTImageStorage,), model)

    async def moves(
        self, query: Dataset, destination: str, model: UID = STUDY_ROOT_MOVE, *, cancel_after: int = 0
    ) -> Answers:
        """C-MOVE, cancelled after so many pending answers."""
        return await asyncio.to_thread(self._move, query, destination, model, cancel_after)

    def _get(self, query: Dataset, syntaxes: Sequence[str], sop_classes: Sequence[UID], model: UID) -> "Got":
        got = Got(Answers([], []), [])

        def take(event: Event) -> int:
            request = cast("C_STORE", event.request)
            assert request.DataSet is not None
            syntax = event.context.transfer_syntax
            got.received.append(Received(str(request.AffectedSOPInstanceUID), syntax, request.DataSet.getvalue()))
            return 0x0000

        contexts: list[tuple[UID, Sequence[str]]] = [(model, [ExplicitVRLittleEndian])]
        contexts += [(sop_class, [syntax]) for sop_class in sop_classes for syntax in syntaxes]
        with self.associated(contexts, scp_of=sop_classes, handlers=[(evt.EVT_C_STORE, take)]) as link:
            for status, identifier in link.send_c_get(query, model):
                got.answers.statuses.append(status)
                if identifier is not None:
                    got.answers.identifiers.append(identifier)
        return got

    def _move(self, query: Dataset, destination: str, model: UID, cancel_after: int) -> Answers:
        answers = Answers([], [])
        with self.associated([(model, [ExplicitVRLittleEndian])]) as link:
            for status, identifier in link.send_c_move(query, destination, model, msg_id=7):
                answers.statuses.append(status)
                if identifier is not None:
                    answers.identifiers.append(identifier)
                if cancel_after and len(answers.statuses) == cancel_after:
                    link.send_c_cancel(7, query_model=model)
        return answers

    @contextmanager
    def associated(
        self,
        contexts: Sequence[tuple[UID, Sequence[str]]],
        options: dict[UID, bytes] | None = None,
        scp_of: Sequence[UID] = (),
        handlers: list[Any] | None = None,
    ) -> Iterator[Association]:
        """An accepted association with these contexts, options of extended negotiation, and roles as SCP."""
        ae = AE(self.ae_title)
        for abstract, syntaxes in contexts:
            ae.add_requested_context(abstract, list(syntaxes))
        items: list[Any] = [build_role(sop_class, scp_role=True) for sop_class in scp_of]
        for sop_class, asked in (options or {}).items():
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = sop_class, asked
            items.append(item)
        link = ae.associate("127.0.0.1", self.port, ae_title="FJ_QR", ext_neg=items, evt_handlers=handlers)
        assert link.is_established
        try:
            yield link
        finally:
            link.release()

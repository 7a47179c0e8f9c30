"""Our own associations (PS3.8 section 9.2), used from a thread: C-ECHO, C-STORE, N-EVENT-REPORT, N-CREATE, N-SET."""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_requestor

from fj_dicom import pdu
from fj_dicom.command import CommandField, Operation, Response
from fj_dicom.decoding import write
from fj_dicom.errors import AssociationLost, ProtocolBroken
from fj_dicom.exchange import Exchange, Released
from fj_dicom.negotiation import APPLICATION_CONTEXT, PDU_MAX, user_information
from fj_dicom.sender import Sender
from fj_dicom.services import UNCOMPRESSED, VERIFICATION
from fj_dicom.status import Status

CONTEXTS_MAX: Final = 128
"""Presentation contexts of one association (PS3.8 section 9.3.2.2: odd numbers from 1 to 255)."""
_ACCEPTANCE: Final = 0
_RELEASE_S: Final = 5.0


class NotAssociated(Exception):
    """The peer cannot be reached, or does not want this association; the message says which, free of PHI."""


class Remote(Protocol):
    """Where a peer listens: `fj_dicom.Peer` is one."""

    @property
    def ae_title(self) -> str:
        """Its title."""

    @property
    def host(self) -> str:
        """Its address."""

    @property
    def port(self) -> int:
        """Its port."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A context that is proposed."""

    sop_class_uid: str
    transfer_syntaxes: Sequence[str] = UNCOMPRESSED
    as_scp: bool = False
    """We are its SCP, the peer that accepts is its SCU (role selection, PS3.7 D.3.3.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestorSettings:
    """Who we are when we call, and how long we wait; times in seconds."""

    ae_title: str
    max_pdu: int = PDU_MAX
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 30.0
    """For the answer to the request for an association."""
    network_timeout_s: float = 60.0
    """For the answer to a message, and for the peer to take what is sent."""


class Requested:
    """An association that a peer has accepted."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.sender = Sender(exchange)
        """For C-STORE."""
        self._message_id = 0

    def accepts(self, sop_class_uid: str) -> bool:
        """Whether a context of this class was accepted."""
        return self._context(sop_class_uid) is not None

    def echo(self) -> Status:
        """C-ECHO."""
        return self._perform(Operation(field=CommandField.C_ECHO, sop_class_uid=VERIFICATION))

    def report(self, sop_class_uid: str, sop_instance_uid: str, event_type: int, content: Dataset) -> Status:
        """N-EVENT-REPORT (PS3.7 section 10.1.1): we are SCP of the class."""
        operation = Operation(
            field=CommandField.N_EVENT_REPORT,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            has_data_set=True,
            event_type=event_type,
        )
        return self._perform(operation, content)

    def create(self, sop_class_uid: str, sop_instance_uid: str, content: Dataset) -> Status:
        """N-CREATE (PS3.7 section 10.1.5)."""
        operation = Operation(
            field=CommandField.N_CREATE,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            has_data_set=True,
        )
        return self._perform(operation, content)

    def set(self, sop_class_uid: str, sop_instance_uid: str, content: Dataset) -> Status:
        """N-SET (PS3.7 section 10.1.3)."""
        operation = Operation(
            field=CommandField.N_SET,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            has_data_set=True,
        )
        return self._perform(operation, content)

    def _perform(self, operation: Operation, content: Dataset | None = None) -> Status:
        """Send a request and wait for its one answer. Raises NotAssociated, AssociationLost."""
        context_id = self._context(operation.sop_class_uid)
        if context_id is None:
            raise NotAssociated(f"the peer does not accept {UID(operation.sop_class_uid).name}")
        self._message_id += 1
        syntax = self._exchange.contexts[context_id][1]
        data = [] if content is None else [write(content, syntax)]
        if data:
            self._exchange.stream(context_id, operation.encode(self._message_id), data)
        else:
            self._exchange.put(context_id, operation.encode(self._message_id))
            self._exchange.flush()
        answered_in, encoded = self._exchange.next_command_set()
        response = Response.decode(encoded)
        if response is None or (response.message_id, response.field) != (self._message_id, operation.field):
            raise ProtocolBroken("an answer to a request that was not made", pdu.UNEXPECTED_PDU)
        if response.has_data_set:
            for _ in self._exchange.data(answered_in):
                pass
        return response.status

    def _context(self, sop_class_uid: str) -> int | None:
        ids = (number for number, (abstract, _) in self._exchange.contexts.items() if abstract == sop_class_uid)
        return next(ids, None)


@contextmanager
def requested(peer: Remote, settings: RequestorSettings, contexts: Sequence[Wanted]) -> Iterator[Requested]:
    """An association with the peer, released at the end; aborted where the block fails. Raises NotAssociated."""
    connection = _connected(peer, settings)
    try:
        exchange = _associated(connection, peer, settings, contexts)
        connection.silence(settings.network_timeout_s)
        try:
            yield Requested(exchange)
        except Released:
            connection.send(pdu.A_RELEASE_RP)
            raise AssociationLost("the peer has released the association") from None
        except ProtocolBroken as breach:
            _abort(connection, breach.reason)
            raise
        except BaseException:
            _abort(connection, 0)
            raise
        _release(connection)
    finally:
        connection.close()


def _connected(peer: Remote, settings: RequestorSettings) -> pdu.PduSocket:
    try:
        connection = socket.create_connection((peer.host, peer.port), settings.connect_timeout_s)
    except OSError as reason:
        raise NotAssociated(f"{peer.ae_title} cannot be reached: {type(reason).__name__}") from None
    connected = pdu.PduSocket(connection, settings.max_pdu, settings.network_timeout_s)
    connected.silence(settings.request_timeout_s)
    return connected


def _associated(
    connection: pdu.PduSocket, peer: Remote, settings: RequestorSettings, contexts: Sequence[Wanted]
) -> Exchange:
    request = _request(peer, settings, contexts)
    try:
        connection.send(_encoded(request))
        kind, body = connection.read()
    except AssociationLost as loss:
        raise NotAssociated(f"{peer.ae_title} does not answer the request for an association: {loss}") from None
    if kind == pdu.A_ASSOCIATE_RJ:
        raise NotAssociated(f"{peer.ae_title} rejects the association: {_reason(bytes(body))}")
    if kind != pdu.A_ASSOCIATE_AC:
        raise NotAssociated(f"{peer.ae_title} answers the request for an association by a PDU of type {kind:#04x}")
    answer = A_ASSOCIATE_AC()
    try:
        answer.decode(b"\x02\x00" + len(body).to_bytes(4, "big") + bytes(body))
        accepted = answer.to_primitive()
        results = _results(request, accepted)
        most = accepted.maximum_length_received or PDU_MAX
    except Exception as reason:
        # pynetdicom's decoder raises whatever it stumbles over.
        raise NotAssociated(f"the A-ASSOCIATE-AC of {peer.ae_title} cannot be decoded") from reason
    return Exchange(connection, results, min(max(most, 1024), PDU_MAX))


def _request(peer: Remote, settings: RequestorSettings, contexts: Sequence[Wanted]) -> A_ASSOCIATE:
    request = A_ASSOCIATE()
    request.application_context_name = APPLICATION_CONTEXT
    request.calling_ae_title, request.called_ae_title = settings.ae_title, peer.ae_title
    proposed = []
    for number, wanted in enumerate(contexts[:CONTEXTS_MAX]):
        context = build_context(wanted.sop_class_uid, list(wanted.transfer_syntaxes))
        context.context_id = 2 * number + 1
        if wanted.as_scp:
            context.scu_role, context.scp_role = False, True
        proposed.append(context)
    request.presentation_context_definition_list = proposed
    roles: list[Any] = [_as_scp(uid) for uid in sorted({one.sop_class_uid for one in contexts if one.as_scp})]
    request.user_information = [*user_information(settings.max_pdu), *roles]
    return request


def _results(request: A_ASSOCIATE, accepted: A_ASSOCIATE) -> dict[int, tuple[str, str]]:
    """The contexts that can be used, in the roles that were asked for."""
    roles: dict[UID, tuple[bool | None, bool | None]] = {
        UID(str(item.sop_class_uid)): (bool(item.scu_role), bool(item.scp_role))
        for item in accepted.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    }
    proposed = request.presentation_context_definition_list
    as_scp = {context.context_id for context in proposed if context.scp_role}
    results: list[PresentationContext] = negotiate_as_requestor(
        proposed, accepted.presentation_context_definition_results_list, roles
    )
    return {
        context.context_id: (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in results
        if context.context_id is not None
        and context.result == _ACCEPTANCE
        # A peer that is silent about roles keeps the usual ones; many take the event nevertheless.
        and (context.as_scu or context.context_id in as_scp)
    }


def _as_scp(sop_class_uid: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = UID(sop_class_uid)
    role.scu_role, role.scp_role = False, True
    return role


def _encoded(request: A_ASSOCIATE) -> bytes:
    return bytes(A_ASSOCIATE_RQ(request).encode())


def _reason(body: bytes) -> str:
    """Result and reason in words (PS3.8 table 9-21)."""
    rejection = A_ASSOCIATE_RJ()
    try:
        rejection.decode(b"\x03\x00" + len(body).to_bytes(4, "big") + body)
        return f"{rejection.result_str.lower()}, {rejection.reason_str.lower()}"
    except Exception:  # noqa: BLE001 - pynetdicom's tables raise for what the standard does not list
        return "for a reason that is not in the standard"


def _release(connection: pdu.PduSocket) -> None:
    """What was to be said is said: a peer that does not answer the release changes nothing."""
    connection.silence(_RELEASE_S)
    try:
        connection.send(pdu.A_RELEASE)
        connection.read()
    except AssociationLost:
        return


def _abort(connection: pdu.PduSocket, reason: int) -> None:
    try:
        connection.send(pdu.a_abort(2 if reason else 0, reason))
    except AssociationLost:
        return  # it is gone already


def stored_contexts(instances: Iterable[tuple[str, str]]) -> list[Wanted]:
    """What to propose for instances of these SOP classes and transfer syntaxes: as they are first, then uncompressed.

    Each transfer syntax has a context of its own, so that the peer cannot choose away the one that costs nothing.
    """
    pairs = sorted(set(instances))
    own = [Wanted(sop_class, (syntax,)) for sop_class, syntax in pairs]
    plain = [Wanted(sop_class, UNCOMPRESSED) for sop_class in sorted({sop_class for sop_class, _ in pairs})]
    return [*own, *plain][:CONTEXTS_MAX]

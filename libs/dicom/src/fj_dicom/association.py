"""One association as acceptor (PS3.8 section 9.2), in a thread of its own."""

import time
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from traceback import extract_tb
from typing import Final, TypeVar

import structlog

from fj_dicom import metrics, pdu
from fj_dicom.bridge import Bridge
from fj_dicom.command import Command, CommandField, Counts
from fj_dicom.decoding import write
from fj_dicom.errors import AssociationLost, ProtocolBroken, Refused
from fj_dicom.exchange import Exchange, Released
from fj_dicom.messages import Answer, Caller, Incoming, Request
from fj_dicom.negotiation import LIMIT_EXCEEDED
from fj_dicom.offer import Accepted, NotAccepted, Offer
from fj_dicom.places import Places
from fj_dicom.sender import Sender
from fj_dicom.services import Service, Session
from fj_dicom.status import PENDING, General, Status

T = TypeVar("T")
TOGETHER: Final = 64 * 1024
"""Matches of a C-FIND are sent together, up to so many bytes."""

_BEFORE_REJECTION_S: Final = 0.1
"""A refusal is in no hurry. pynetdicom's requestor takes one that comes before its own thread has looked at the
connection for a failure to connect, and calls it an abort: one in four on a busy machine."""

_NAMES: Final = {field.value: field.name for field in CommandField}

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """How an association ended."""

    RELEASED = "released"
    REJECTED = "rejected"
    ABORTED = "aborted"
    """By us: the peer broke the protocol, was idle where another one needed the place, or the process stops."""
    LOST = "lost"
    """By the peer or the network."""


class Association:
    """Negotiates, then performs one message after the other until the peer releases."""

    def __init__(self, connection: pdu.PduSocket, host: str, offer: Offer, places: Places, bridge: Bridge) -> None:
        self._connection = connection
        self._host = host
        self._offer = offer
        self._places = places
        self._bridge = bridge
        self._sessions: dict[Service, Session] = {}
        self._log = log.bind(scp=offer.name, host=host)
        self._busy = False
        self._ending = False
        self.idle_since: float | None = None
        """See `places.Holder`."""

    def serve(self) -> Outcome:
        """From the A-ASSOCIATE-RQ to the end."""
        try:
            return self._serve()
        except ProtocolBroken as breach:
            self._log.warning("association aborted", reason=str(breach))
            return self._abort(breach.reason)
        except AssociationLost as loss:
            if self._ending:
                return self._abort(0)
            self._log.info("association lost", reason=str(loss))
            return Outcome.LOST
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one association, and its text stays here
            self._log.error("association failed", error=type(error).__name__, at=_place(error))
            return self._abort(0)
        finally:
            self._close()

    def _close(self) -> None:
        for session in self._sessions.values():
            try:
                session.close()
            except Exception as error:  # noqa: BLE001 - one that cannot close must not keep the others open
                self._log.error("session not closed", error=type(error).__name__, at=_place(error))
        self._connection.close()
        self._places.leave(self)

    def make_way(self) -> None:
        """See `places.Holder`. For another thread to call."""
        self._log.info("association makes way for another one")
        self.end()

    def end(self) -> None:
        """Finish the message at hand, then abort. For another thread to call."""
        self._ending = True
        if not self._busy:
            self._connection.stop_reading()

    def cut(self) -> None:
        """Do not even finish the message at hand. For another thread to call."""
        self._connection.stop_reading()

    def _serve(self) -> Outcome:
        try:
            accepted = self._accepted()
        except NotAccepted as refusal:
            return self._reject(refusal)
        agreement, title = accepted.agreement, accepted.calling_ae_title
        self._connection.send(agreement.pdu)
        exchange = Exchange(self._connection, agreement.contexts, accepted.max_pdu)
        caller = Caller(title, accepted.called_ae_title, self._host, self._offer.peers.site(title), agreement.extended)
        self._log = self._log.bind(caller=title)
        self._log.info("association accepted", contexts=len(agreement.contexts))
        try:
            while not self._ending:
                self._message(exchange, caller)
        except Released:
            self._connection.send(pdu.A_RELEASE_RP)
            self._connection.finish()
            return Outcome.RELEASED
        return self._abort(0)

    def _accepted(self) -> Accepted:
        """What was agreed to. Raises NotAccepted; nobody makes way for what would be refused anyway."""
        accepted = self._offer.answer(self._request())
        if not self._places.take(self, time.monotonic()):
            raise NotAccepted(accepted.calling_ae_title, LIMIT_EXCEEDED)
        return accepted

    def _request(self) -> bytes:
        self._connection.silence(self._offer.settings.request_timeout_s)
        kind, body = self._connection.read()
        if kind != pdu.A_ASSOCIATE_RQ:
            raise ProtocolBroken(f"PDU of type {kind:#04x} before an association", pdu.UNEXPECTED_PDU)
        return bytes(body)

    def _reject(self, refusal: NotAccepted) -> Outcome:
        self._log.warning("association rejected", caller=refusal.calling_ae_title, reason=str(refusal))
        time.sleep(_BEFORE_REJECTION_S)
        self._connection.send(refusal.rejection.encode())
        self._connection.finish()
        return Outcome.REJECTED

    def _abort(self, reason: int) -> Outcome:
        try:
            self._connection.send(pdu.a_abort(2, reason))
            self._connection.finish()
        except AssociationLost:
            self._log.info("the peer was gone before it could be told of the abort")
        return Outcome.ABORTED

    def _message(self, exchange: Exchange, caller: Caller) -> None:
        settings = self._offer.settings
        self._connection.silence(settings.idle_timeout_s)
        self.idle_since = time.monotonic()
        context_id, command = exchange.next_command()
        if command.field == CommandField.C_CANCEL:
            return  # its request was answered before it came
        self._busy, self.idle_since = True, None
        self._connection.silence(settings.network_timeout_s)
        abstract_syntax, transfer_syntax = exchange.contexts[context_id]
        fragments = exchange.data(context_id) if command.has_data_set else iter(())
        incoming = Incoming(caller, command, transfer_syntax, self._counted(fragments))
        channel = _Channel(exchange, context_id, self._bridge)
        try:
            self._session(abstract_syntax, command, caller).perform(incoming, channel)
        except Refused as refusal:
            channel.fail(incoming, refusal.status)
        except AssociationLost:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in a service costs its message, not the association
            self._log.error("service failed", error=type(error).__name__, at=_place(error))
            channel.fail(incoming, Status(General.PROCESSING_FAILURE, "internal error"))
        self._busy = False
        metrics.message(self._offer.name, _name(command.field), channel.status).inc()

    def _session(self, abstract_syntax: str, command: Command, caller: Caller) -> Session:
        if command.sop_class_uid != abstract_syntax:
            raise Refused(Status(General.NO_SUCH_SOP_CLASS, "SOP class is not that of the presentation context"))
        service = self._offer.routes.get((abstract_syntax, command.field))
        if service is None:
            raise Refused(Status(General.UNRECOGNIZED_OPERATION, f"{_name(command.field)} is not offered here"))
        session = self._sessions.get(service)
        if session is None:
            session = self._sessions[service] = service.session(caller)
        return session

    def _counted(self, fragments: Iterator[list[memoryview]]) -> Iterator[list[memoryview]]:
        received = metrics.received(self._offer.name)
        for together in fragments:
            received.inc(sum(map(len, together)))
            yield together


class _Channel:
    """The way back of one message; see `services.Channel`."""

    def __init__(self, exchange: Exchange, context_id: int, bridge: Bridge) -> None:
        self._exchange = exchange
        self._context_id = context_id
        self._bridge = bridge
        self.status = PENDING

    def answer(self, incoming: Incoming, answer: Answer) -> None:
        dataset = answer.dataset
        command = incoming.command.response(
            answer.status,
            data_set=dataset is not None,
            sop_instance_uid=answer.sop_instance_uid,
            counts=answer.counts,
        )
        data = b"" if dataset is None else write(dataset, incoming.transfer_syntax)
        self._exchange.put(self._context_id, command, data)
        self._exchange.flush()
        self.status = answer.status.code

    def fail(self, incoming: Incoming, status: Status) -> None:
        """Answer a failure, after whatever is left of the data set; not where the answer is out already."""
        if self.status != PENDING:
            return
        for _ in incoming.fragments:
            pass
        self.answer(incoming, Answer(status))

    def pending(self, incoming: Incoming, identifier: bytes, status: int = PENDING) -> None:
        waiting = self._exchange.put(
            self._context_id, incoming.command.response(Status(status), data_set=True), identifier
        )
        if waiting > TOGETHER:
            self._exchange.flush()

    def progress(self, incoming: Incoming, counts: Counts, *, now: bool = True) -> None:
        self._exchange.put(self._context_id, incoming.command.response(Status(PENDING), counts=counts))
        if now:
            self._exchange.flush()

    def sender(self, incoming: Incoming) -> Sender:
        return Sender(self._exchange, incoming.command.message_id)

    def cancelled(self, incoming: Incoming) -> bool:
        if not self._exchange.has_input():
            return False
        _, command = self._exchange.next_command()
        if command.field == CommandField.C_CANCEL and command.message_id == incoming.command.message_id:
            return True
        raise ProtocolBroken("a request came before the answer to the one before", pdu.UNEXPECTED_PDU)

    def wait_for(self, handler: Callable[[Request], Awaitable[T]], request: Request) -> T:
        return self._bridge.call(handler, request)


def _name(field: int) -> str:
    return _NAMES.get(field, "UNKNOWN")


def _place(error: Exception) -> str:
    """Where it was raised. The message stays out of the log: it may quote a value of the data set."""
    frames = extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""

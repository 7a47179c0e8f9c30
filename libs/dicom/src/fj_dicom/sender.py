"""C-STORE as SCU (PS3.4 Annex B) on an association that is there, whoever asked for it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from fj_dicom.command import Command, CommandField, Operation, Response
from fj_dicom.errors import ProtocolBroken
from fj_dicom.exchange import Exchange
from fj_dicom.pdu import UNEXPECTED_PDU
from fj_dicom.status import Status


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance that is to be sent."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    """In which its bytes are."""


class Sender:
    """Sends instances one after the other. `serves` is the message id of the request that they are an answer to."""

    def __init__(self, exchange: Exchange, serves: int | None = None) -> None:
        self._exchange = exchange
        self._serves = serves
        self._contexts: dict[str, dict[str, int]] = defaultdict(dict)
        for context_id, (abstract_syntax, transfer_syntax) in sorted(exchange.contexts.items()):
            self._contexts[abstract_syntax].setdefault(transfer_syntax, context_id)
        self._message_ids = count(1)
        self.cancelled = False
        """The peer has cancelled the request that is served (C-CANCEL)."""

    def accepted(self, sop_class_uid: str) -> tuple[str, ...]:
        """The transfer syntaxes in which instances of this class can be sent, in the order of their proposal."""
        return tuple(self._contexts.get(sop_class_uid, ()))

    def store(
        self,
        instance: Outgoing,
        data: Iterable[bytes | memoryview],
        move_originator: tuple[str, int] | None = None,
    ) -> Status:
        """The peer's answer. `data` is the data set, in a transfer syntax that is accepted. Raises AssociationLost."""
        context_id = self._contexts[instance.sop_class_uid][instance.transfer_syntax_uid]
        operation = Operation(
            field=CommandField.C_STORE,
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            has_data_set=True,
            priority=0,
            move_originator=move_originator,
        )
        message_id = self._next()
        self._exchange.stream(context_id, operation.encode(message_id), data)
        return self._answer(message_id)

    def _next(self) -> int:
        number = next(self._message_ids) & 0xFFFF
        # The ids of both directions are apart already; this keeps a log of the wire readable.
        return self._next() if number in {0, self._serves} else number

    def _answer(self, message_id: int) -> Status:
        while True:
            context_id, encoded = self._exchange.next_command_set()
            response = Response.decode(encoded)
            if response is None:
                self._heed(Command.decode(encoded))
                continue
            if response.has_data_set:
                for _ in self._exchange.data(context_id):
                    pass
            if response.message_id != message_id or response.field != CommandField.C_STORE:
                raise ProtocolBroken("an answer to a request that was not made", UNEXPECTED_PDU)
            return response.status

    def _heed(self, request: Command) -> None:
        if request.field != CommandField.C_CANCEL or request.message_id != self._serves:
            raise ProtocolBroken("a request came in the middle of another one", UNEXPECTED_PDU)
        self.cancelled = True

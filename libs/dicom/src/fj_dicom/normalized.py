"""The N-services as SCP (PS3.7 chapter 10): one request, one answer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fj_dicom.command import CommandField
from fj_dicom.errors import Refused
from fj_dicom.messages import Answer, Incoming, Request
from fj_dicom.services import UNCOMPRESSED, Channel, Stateless, take_whole
from fj_dicom.status import General, Status

AnswerHandler = Callable[[Request], Awaitable[Answer]]
"""Answers when the outcome is durable. Raises Refused with a status of `fj_dicom.status.General`."""


class NormalizedService(Stateless):
    """The operations of one SOP class, each with its handler.

    `NormalizedService(MPPS, {CommandField.N_CREATE: create, CommandField.N_SET: update})`
    """

    def __init__(
        self,
        sop_class: str,
        handlers: Mapping[CommandField, AnswerHandler],
        transfer_syntaxes: Sequence[str] = UNCOMPRESSED,
    ) -> None:
        super().__init__(sop_class, transfer_syntaxes, *handlers)
        self._handlers: dict[int, AnswerHandler] = {int(field): handler for field, handler in handlers.items()}

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """Ask the handler of the operation."""
        request = take_whole(incoming)
        if incoming.command.field != CommandField.N_CREATE and not incoming.command.sop_instance_uid:
            raise Refused(Status(General.INVALID_SOP_INSTANCE, "Requested SOP Instance UID is missing"))
        channel.answer(incoming, channel.wait_for(self._handlers[incoming.command.field], request))

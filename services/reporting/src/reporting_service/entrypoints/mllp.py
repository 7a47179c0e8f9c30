"""Results in by MLLP: from dictation and reporting systems."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from fj_bus import Tx
from fj_hl7 import Door, Intake, Message
from fj_runtime import Sites

from reporting_service import handlers
from reporting_service.domain.report import Reading
from reporting_service.entrypoints.hl7 import document, results
from reporting_service.ports import Reports


def results_door(
    sites: Sites,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    reports: Callable[[Tx], Reports],
    intake: Intake[Tx],
) -> Door[Tx]:
    """The door for results: all readings of a message, or none of them."""

    def taking(read: Callable[[Message, Sites], list[Reading]]) -> Callable[[Sequence[Message], Tx], Awaitable[None]]:
        async def take(messages: Sequence[Message], tx: Tx) -> None:
            for message in messages:
                for reading in read(message, sites):
                    await handlers.file_reading(reading, reports(tx))

        return take

    return Door("results", {"ORU^R01": taking(results), "MDM^T02": taking(document)}, unit, intake)

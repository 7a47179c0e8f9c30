"""Results in by MLLP: from dictation and reporting systems."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Final

from fj_bus import Tx
from fj_hl7 import Door, Intake, Message
from fj_runtime import Sites

from reporting_service import handlers
from reporting_service.domain.report import Reading
from reporting_service.entrypoints.hl7 import addendum, document, results
from reporting_service.ports import Reports

KINDS: Final[Mapping[str, Callable[[Message, Sites], list[Reading]]]] = MappingProxyType(
    {"ORU^R01": results, "MDM^T02": document, "MDM^T06": addendum}
)
"""How each kind is read."""


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

    return Door("results", {kind: taking(read) for kind, read in KINDS.items()}, unit, intake)

"""Modality Performed Procedure Step N-CREATE and N-SET (PS3.4 section F.7, IHE RAD-6 and RAD-7)."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from asyncpg import DeadlockDetectedError
from fj_bus import Transient, Tx
from fj_dicom import Answer, CommandField, ErrorId, General, NormalizedService, Refused, Request, Status

from scheduling_service import handlers
from scheduling_service.domain.errors import (
    DuplicateInstance,
    NoLongerUpdatable,
    NoSeries,
    SchedulingError,
    UnknownInstance,
)
from scheduling_service.domain.forward import Operation, Report
from scheduling_service.entrypoints.performed import Translator
from scheduling_service.ports import InstanceLists, Schedule

MPPS: Final = "1.2.840.10008.3.1.2.3.3"
TRIES: Final = 5

STATUSES: Final[Mapping[type[SchedulingError], General]] = MappingProxyType(
    {
        DuplicateInstance: General.DUPLICATE_SOP_INSTANCE,
        UnknownInstance: General.NO_SUCH_SOP_INSTANCE,
        NoLongerUpdatable: General.PROCESSING_FAILURE,
        NoSeries: General.MISSING_ATTRIBUTE_VALUE,
    }
)
ERROR_IDS: Final[Mapping[type[SchedulingError], ErrorId]] = MappingProxyType(
    {NoLongerUpdatable: ErrorId.NO_LONGER_UPDATABLE}
)


PassOn = Callable[[Request, Report, Tx], Awaitable[None]]
"""Keeps a message for others, in its own transaction."""


def performed_service(
    translator: Translator,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    schedule: Callable[[Tx], Schedule],
    lists: InstanceLists,
    pass_on: PassOn,
) -> NormalizedService:
    """N-CREATE and N-SET; success is answered after the commit."""

    async def create(request: Request) -> Answer:
        uid = request.command.sop_instance_uid or f"2.25.{uuid4().int}"  # the SCP names it (PS3.7 section 10.1.5.1.3)
        performed = translator.created(uid, request.caller.site, request.dataset())

        async def begin(tx: Tx) -> None:
            await handlers.create_performed(performed, schedule(tx), lists)
            await pass_on(request, _report(request, Operation.CREATE, uid), tx)

        await _commit(unit, begin)
        return Answer(sop_instance_uid=uid)

    async def change(request: Request) -> Answer:
        wish = translator.changed(request.caller.site, request.dataset())
        uid = request.command.sop_instance_uid

        async def go_on(tx: Tx) -> None:
            await handlers.change_performed(uid, wish, schedule(tx), lists)
            await pass_on(request, _report(request, Operation.SET, uid), tx)

        await _commit(unit, go_on)
        return Answer()

    return NormalizedService(MPPS, {CommandField.N_CREATE: create, CommandField.N_SET: change})


def _report(request: Request, operation: Operation, uid: str) -> Report:
    return Report(
        operation=operation, sop_instance_uid=uid, transfer_syntax=request.transfer_syntax, content=request.data
    )


async def _patiently(unit: Callable[[], AbstractAsyncContextManager[Tx]], act: Callable[[Tx], Awaitable[None]]) -> None:
    """Again, where the database has given up this of two transactions that waited for each other."""
    for _ in range(TRIES - 1):
        with suppress(DeadlockDetectedError):
            async with unit() as tx:
                await act(tx)
            return
    async with unit() as tx:
        await act(tx)


async def _commit(unit: Callable[[], AbstractAsyncContextManager[Tx]], act: Callable[[Tx], Awaitable[None]]) -> None:
    try:
        await _patiently(unit, act)
    except SchedulingError as error:
        kind = type(error)
        raise Refused(Status(STATUSES[kind], str(error), error_id=ERROR_IDS.get(kind))) from None
    except Transient as error:
        raise Refused(Status(General.PROCESSING_FAILURE, "the list of instances cannot be stored now")) from error

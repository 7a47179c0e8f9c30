"""Patients in by MLLP (HL7 v2.5.1 ch. 3; IHE RAD-1, RAD-12, ITI-30)."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_hl7 import AckCode, Door, ErrorCode, Handler, Hl7Error, Intake, Message, Refusal
from fj_runtime import Sites

from patient_service import handlers, visits
from patient_service import merges as merging
from patient_service.domain.errors import PatientError
from patient_service.entrypoints.adt import Reader
from patient_service.ports import Links, Merges, Patients, Visits

TELLS: Final = (
    *(f"ADT^A{number:02d}" for number in range(1, 14)),
    *("ADT^A28", "ADT^A31", "ADT^A38", "ADT^A49", "ADT^A50"),
)
"""Each says who the patient is. What A02, A03, A06 … A13, A38, A49, A50 say of visits and accounts is not kept."""
MERGES: Final = ("ADT^A18", "ADT^A30", "ADT^A34", "ADT^A36", "ADT^A39", "ADT^A40", "ADT^A43", "ADT^A47")
"""Merges of patients in the words of every version, a number moved to another patient, and a number changed."""
LINKS: Final = ("ADT^A24", "ADT^A37")
MOVES: Final = ("ADT^A44", "ADT^A45")
"""An account or a visit goes to another patient."""
REPLACES: Final = "ADT^A51"
KINDS: Final = (*TELLS, *MERGES, *LINKS, *MOVES, REPLACES)

_Take = Callable[[Reader, Tx], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stores:
    """What the handlers need, made of one transaction."""

    patients: Callable[[Tx], Patients]
    merges: Callable[[Tx], Merges]
    links: Callable[[Tx], Links]
    visits: Callable[[Tx], Visits]


def patients_door(
    sites: Sites,
    namespace: UUID,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    stores: Stores,
    intake: Intake[Tx],
) -> Door[Tx]:
    """The door for patients. An update of somebody unknown registers them: the feed may have begun before us."""

    async def tell(adt: Reader, tx: Tx) -> None:
        await handlers.announce(adt.news(), stores.patients(tx), stores.merges(tx), stores.links(tx))

    async def merge(adt: Reader, tx: Tx) -> None:
        for news in adt.merges():
            await merging.merge(news, stores.patients(tx), stores.merges(tx))

    async def change(adt: Reader, tx: Tx) -> None:
        await handlers.replace_numbers(adt.news(), adt.replaced_numbers(), stores.patients(tx))

    async def link(adt: Reader, tx: Tx) -> None:
        for news in adt.links():
            await handlers.link(news, stores.patients(tx), stores.links(tx))

    async def move(adt: Reader, tx: Tx) -> None:
        for news in adt.moves():
            await visits.move(news, stores.patients(tx), stores.visits(tx))

    def each(take: _Take) -> Handler[Tx]:
        return _one_by_one(take, sites, namespace)

    kinds = {
        **dict.fromkeys(TELLS, each(tell)),
        **dict.fromkeys(MERGES, each(merge)),
        **dict.fromkeys(MOVES, each(move)),
        **dict.fromkeys(LINKS, each(link)),
        REPLACES: each(change),
    }
    return Door("patients", kinds, unit, intake)


def _one_by_one(take: _Take, sites: Sites, namespace: UUID) -> Handler[Tx]:
    async def take_all(messages: Sequence[Message], tx: Tx) -> None:
        for message in messages:
            try:
                await take(Reader.of(message, sites, namespace), tx)
            except PatientError as error:
                raise _refusal(message, error) from error

    return take_all


def _refusal(message: Message, error: PatientError) -> Refusal:
    """Points at the number that does not fit: that of MRG, or of the second PID."""
    place = ("PID", 2, 3) if message.kind in LINKS else ("MRG", 1, 1)
    return Refusal(AckCode.AE, Hl7Error(str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, *place))

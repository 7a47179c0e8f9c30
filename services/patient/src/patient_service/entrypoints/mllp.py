"""Patients in by MLLP (HL7 v2.5.1 ch. 3; IHE RAD-1, RAD-12, ITI-30)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_hl7 import AckCode, Door, ErrorCode, Handler, Hl7Error, Intake, Message, Refusal
from fj_runtime import Sites

from patient_service import handlers, renumbering, stays, visits
from patient_service import links as linking
from patient_service import merges as merging
from patient_service.domain.errors import PatientError
from patient_service.entrypoints.adt import Reader, visit_of
from patient_service.entrypoints.pv1 import happened
from patient_service.ports import Links, Merges, Patients, Stays, Visits

TELLS: Final = (*(f"ADT^A{number:02d}" for number in range(1, 14)), "ADT^A28", "ADT^A31", "ADT^A38")
"""Each says who the patient is; those of `EFFECTS` how far the visit is, and where the patient is, too."""
MERGES: Final = ("ADT^A18", "ADT^A30", "ADT^A34", "ADT^A36", "ADT^A39", "ADT^A40", "ADT^A43", "ADT^A47")
"""Merges of patients in the words of every version, a number moved to another patient, and a number changed."""
LINKS: Final = ("ADT^A24", "ADT^A37")
MOVES: Final = ("ADT^A44", "ADT^A45")
"""An account or a visit goes to another patient."""
RENUMBERS: Final = ("ADT^A49", "ADT^A50")
"""An account or a visit gets another number; each says who the patient is, too."""
REPLACES: Final = ("ADT^A48", "ADT^A51")
KINDS: Final = (*TELLS, *MERGES, *LINKS, *MOVES, *RENUMBERS, *REPLACES)
_DOES_NOT_FIT: Final = MappingProxyType(
    {**dict.fromkeys(LINKS, ("PID", 2, 3)), "ADT^A49": ("MRG", 1, 3), "ADT^A50": ("MRG", 1, 5)}
)
"""Where the number stands that does not fit; of the other kinds in MRG-1."""

_Take = Callable[[Reader, Tx], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stores:
    """What the handlers need, made of one transaction."""

    patients: Callable[[Tx], Patients]
    merges: Callable[[Tx], Merges]
    links: Callable[[Tx], Links]
    visits: Callable[[Tx], Visits]
    stays: Callable[[Tx], Stays]


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
        await _hear(adt, stores, tx)

    async def merge(adt: Reader, tx: Tx) -> None:
        for news in adt.merges():
            await merging.merge(news, stores.patients(tx), stores.merges(tx))
        for account in adt.merged_accounts():
            await renumbering.renumber(account, stores.patients(tx), stores.visits(tx))

    async def change(adt: Reader, tx: Tx) -> None:
        await handlers.replace_numbers(adt.news(), adt.replaced_numbers(), stores.patients(tx))
        await _hear(adt, stores, tx)

    async def link(adt: Reader, tx: Tx) -> None:
        for news in adt.links():
            await linking.link(news, stores.patients(tx), stores.links(tx))

    def each(take: _Take) -> Handler[Tx]:
        return _one_by_one(take, sites, namespace)

    kinds = {
        **dict.fromkeys(TELLS, each(tell)),
        **dict.fromkeys(MERGES, each(merge)),
        **dict.fromkeys(LINKS, each(link)),
        **{kind: each(take) for kind, take in _of_visits(stores, tell).items()},
        **dict.fromkeys(REPLACES, each(change)),
    }
    return Door("patients", kinds, unit, intake)


async def _hear(adt: Reader, stores: Stores, tx: Tx) -> None:
    if (heard := happened(adt)) is not None:
        await stays.hear(heard.event, heard.visit, stores.patients(tx), stores.visits(tx), stores.stays(tx))


def _of_visits(stores: Stores, tell: _Take) -> Mapping[str, _Take]:
    async def move(adt: Reader, tx: Tx) -> None:
        for news in adt.moves():
            await visits.move(news, stores.patients(tx), stores.visits(tx))
            await stays.tell(news.visit.visit_id, stores.patients(tx), stores.visits(tx), stores.stays(tx))

    async def renumber(adt: Reader, tx: Tx) -> None:
        news = adt.renumbered()
        await renumbering.renumber(news, stores.patients(tx), stores.visits(tx))
        await tell(adt, tx)
        await stores.stays(tx).keep(visit_of(news.visit.kind, news.renumbering.number, adt.namespace))
        await stays.tell(news.visit.visit_id, stores.patients(tx), stores.visits(tx), stores.stays(tx))

    return {**dict.fromkeys(MOVES, move), **dict.fromkeys(RENUMBERS, renumber)}


def _one_by_one(take: _Take, sites: Sites, namespace: UUID) -> Handler[Tx]:
    async def take_all(messages: Sequence[Message], tx: Tx) -> None:
        for message in messages:
            try:
                await take(Reader.of(message, sites, namespace), tx)
            except PatientError as error:
                raise _refusal(message, error) from error

    return take_all


def _refusal(message: Message, error: PatientError) -> Refusal:
    """Points at the number that does not fit."""
    place = _DOES_NOT_FIT.get(message.kind, ("MRG", 1, 1))
    return Refusal(AckCode.AE, Hl7Error(str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, *place))

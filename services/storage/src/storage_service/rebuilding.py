"""The index made anew from the packs alone: for the day on which neither the database nor the whole log is there."""

from dataclasses import dataclass
from typing import Final

import structlog

from storage_service.domain.errors import Unreadable
from storage_service.ports.rebuilding import EmptyIndex, ToldPacks

log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Remade:
    """What came of it."""

    packs: int
    instances: int
    left_out: tuple[tuple[str, str], ...]
    """Packs that are not what their writer stored, or not ours, each with the reason."""


async def rebuild(index: EmptyIndex, packs: ToldPacks) -> Remade:
    """Empty the index and fold into it what each pack tells, in the order in which the packs were begun.

    A pack that cannot be read is left out: the others are worth having. Raises Away.
    """
    await index.clear()
    told = instances = 0
    left_out: list[tuple[str, str]] = []
    for key in await packs.keys():
        try:
            facts = await packs.facts(key, index.known)
        except Unreadable as reason:
            left_out.append((key, str(reason)))
            continue
        for fact in facts:
            await index.add(fact)
            instances += len(fact.instances)
        told += 1
    log.info("index made anew from packs", packs=told, instances=instances, left_out=len(left_out))
    return Remade(told, instances, tuple(left_out))

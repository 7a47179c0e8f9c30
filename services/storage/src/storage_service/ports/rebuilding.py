"""The index made anew from the packs."""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol, TypeAlias

from fj_events import InstancesStored

Known: TypeAlias = Callable[[str, Collection[str]], Awaitable[Collection[tuple[str, str]]]]
"""Of a study and these SOP Instance UIDs: what is indexed, by SOP Instance UID and SHA-256."""


class ToldPacks(Protocol):
    """The packs of the archive as what they tell. Raises Away."""

    async def keys(self) -> list[str]:
        """All of them, in the order in which they were begun."""

    async def facts(self, key: str, known: Known) -> list[InstancesStored]:
        """What was told when this pack was stored: of the instances that were not known then. Raises Unreadable."""


class EmptyIndex(Protocol):
    """The index while it is made anew: no fact leaves."""

    async def clear(self) -> None:
        """Forget the index; what was said of studies stays."""

    async def known(self, study_instance_uid: str, sop_instance_uids: Collection[str]) -> Collection[tuple[str, str]]:
        """See `Known`."""

    async def add(self, fact: InstancesStored) -> None:
        """Fold instances into it."""

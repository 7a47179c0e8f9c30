"""Packs that are written anew without some of their instances."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from fj_events import ObjectRef

from storage_service.domain.thinning import Range, Rewrite, Sentence


class Thinnings(Protocol):
    """Inside one transaction that has locked the study."""

    async def plan(self, study_instance_uid: str, sentence: Sentence) -> list[Rewrite]:
        """The packs in which something lies that goes."""

    async def reserve(self, rewrite: Rewrite, now: datetime) -> bool:
        """Say, before it is written, that there will be a new pack: it is deleted in a day unless `replace` is told.

        False while an earlier one is just being deleted.
        """

    async def replace(self, rewrite: Rewrite, to: ObjectRef, ranges: Sequence[Range], deletion_at: datetime) -> None:
        """What is kept lies in the new pack now; the old object is to be deleted then."""

    async def drop(self, rewrite: Rewrite, deletion_at: datetime) -> None:
        """Nothing of the pack is kept."""

    async def settle(self, study_instance_uid: str, sentence: Sentence) -> int:
        """What the rejections named has gone: they only hide from now on; how many instances are kept, shown or not."""

"""Rejected instances are removed where a rule says so: their packs are written anew without them."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from fj_bus import Tx
from fj_events import ObjectRef
from prometheus_client import Counter

from storage_service import retiring
from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.retention import Lifecycle
from storage_service.domain.retirement import Retirement, tombstone
from storage_service.domain.thinning import Range, Rewrite, Sentence, removed_of, rewritten
from storage_service.ports.keeping import KeepingBook, Keepings
from storage_service.ports.thinning import Thinnings

_thinned: Final = Counter("storage_removed_instances", "Rejected instances that were removed while their study stays")
AT_ONCE: Final = 100
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Thinning:
    """What it takes to remove instances."""

    rules: Lifecycle
    book: KeepingBook
    unit: Callable[[], AbstractAsyncContextManager[Tx]]
    keepings: Callable[[Tx], Keepings]
    thinnings: Callable[[Tx], Thinnings]
    write: Callable[[Rewrite], Awaitable[tuple[ObjectRef, list[Range]]]]
    """Write a pack anew and compare each instance with its hash. Raises Gone, Away, Unreadable."""
    delay: timedelta
    """Between the removal and the deletion of the old objects."""

    async def look(self) -> None:
        """Remove what is due. Killed anywhere, the study is as it was, or as it is to be."""
        for uid in await self.book.due(datetime.now(UTC), AT_ONCE, partial=True):
            try:
                await self._thin(uid)
            except (Gone, Unreadable) as reason:
                log.warning("a pack cannot be written anew", reason=str(reason))
            except Away as reason:
                log.warning("packs are written anew later", reason=str(reason))
                return

    async def _thin(self, uid: str) -> None:
        now = datetime.now(UTC)
        async with self.unit() as tx:
            found = await self._due(uid, tx, now)
            if found is None:
                return
            _, sentence = found
            planned = await self.thinnings(tx).plan(uid, sentence)
            if not all([await self.thinnings(tx).reserve(rewrite, now) for rewrite in planned if rewrite.kept]):
                return
        written = {one.pack_key: await self.write(one) for one in planned if one.kept}
        async with self.unit() as tx:
            found = await self._due(uid, tx, now)
            # What has changed meanwhile is planned anew, and what was written goes in a day.
            if found is not None and planned == await self.thinnings(tx).plan(uid, sentence):
                await self._replace(found, planned, written, tx)

    async def _due(self, uid: str, tx: Tx, now: datetime) -> tuple[Retirement, Sentence] | None:
        retirement = await retiring.review(uid, self.rules, self.keepings(tx), now)
        rule = next((one for one in self.rules.rejected if retirement and one.name == retirement.rule), None)
        if retirement is None or rule is None or not retirement.is_due(now):
            return None
        return retirement, Sentence(rule, retirement.retired_at, now.date())

    async def _replace(
        self,
        due: tuple[Retirement, Sentence],
        planned: list[Rewrite],
        written: dict[int, tuple[ObjectRef, list[Range]]],
        tx: Tx,
    ) -> None:
        (retirement, sentence), thinnings = due, self.thinnings(tx)
        now, uid = datetime.now(UTC), retirement.study_instance_uid
        for rewrite in planned:
            if rewrite.pack_key in written:
                to, ranges = written[rewrite.pack_key]
                await thinnings.replace(rewrite, to, ranges, now + self.delay)
                tx.emit(rewritten(retirement.site, uid, rewrite, to, ranges))
            else:
                await thinnings.drop(rewrite, now + self.delay)
        left = await thinnings.settle(uid, sentence)
        gone = tombstone(retirement, removed_of(planned), now, left)
        await self.keepings(tx).bury(gone)
        tx.emit(gone.fact)
        _thinned.inc(gone.number_of_instances)

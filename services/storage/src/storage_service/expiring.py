"""The rules of retention, carried out: who is due is retired, who was retired long enough ago is removed."""

from collections import Counter as Counts
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from fj_bus import Tx
from prometheus_client import Counter

from storage_service import retiring
from storage_service.domain.retention import Due, Forecast, Lifecycle
from storage_service.ports.keeping import Doomed, KeepingBook, Keepings

_retired: Final = Counter("storage_retired_studies", "Studies that a rule retired", ["rule"])
_removed: Final = Counter("storage_removed_studies", "Studies that were removed")
_deleted: Final = Counter("storage_deleted_objects", "Objects that nothing named any more and that were deleted")
AT_ONCE: Final = 100
COUNTED: Final = 10_000
"""Studies that a forecast counts at most."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Expiring:
    """What it takes to carry the rules out."""

    rules: Lifecycle
    book: KeepingBook
    unit: Callable[[], AbstractAsyncContextManager[Tx]]
    keepings: Callable[[Tx], Keepings]
    delay: timedelta
    """Between the removal of a study and the deletion of its objects."""

    async def look(self) -> None:
        """Retire what is due; recall what a rule retired that does not say so any more. A study is a transaction."""
        async for uid in self._candidates(datetime.now(UTC)):
            async with self.unit() as tx:
                due = await retiring.retire_due(uid, self.rules, self.keepings(tx), datetime.now(UTC))
            if due is not None:
                _retired.labels(due.rule).inc()
        for retirement in await self.book.retired(COUNTED):
            async with self.unit() as tx:
                await retiring.review(retirement.study_instance_uid, self.rules, self.keepings(tx), datetime.now(UTC))

    async def remove(self) -> None:
        """Remove what was retired long enough ago. What stays due all the same waits for the next look."""
        before: list[str] = []
        while (uids := await self.book.due(datetime.now(UTC), AT_ONCE, partial=False)) and uids != before:
            before = uids
            for uid in uids:
                async with self.unit() as tx:
                    now = datetime.now(UTC)
                    gone = await retiring.remove_due(uid, self.rules, self.keepings(tx), now, self.delay)
                if gone is not None:
                    _removed.inc()
                    log.info("a study was removed", retirement=str(gone.retirement_id), rule=gone.rule)

    async def report(self) -> None:
        """Say of which studies the removal waits for too long."""
        for uid in await self.book.waiting(datetime.now(UTC) - retiring.PATIENCE, AT_ONCE):
            async with self.unit() as tx:
                told = await retiring.report_delay(uid, self.rules, self.keepings(tx), datetime.now(UTC))
            if told is not None:
                log.warning("a removal waits", retirement=str(told.retirement_id), reason=told.reason)

    async def forecast(self, now: datetime, most: int) -> Forecast:
        """What is due at that time, if nothing changes until then: nothing is done."""
        by_rule: Counts[str] = Counts()
        studies: list[Due] = []
        async for uid in self._candidates(now):
            async with self.unit() as tx:
                due = await retiring.verdict(uid, self.rules, self.keepings(tx), now)
            if due is not None:
                by_rule[due.rule] += 1
                studies.append(due)
            if len(studies) == COUNTED:
                break
        studies.sort(key=lambda due: (due.since, due.study_instance_uid))
        total = len(studies)
        return Forecast(now.date(), total, total < COUNTED, dict(by_rule), tuple(studies[:most]))

    async def _candidates(self, now: datetime) -> AsyncIterator[str]:
        """Studies that a look without locks finds due."""
        if self.rules.shortest is not None:
            async for study in self.book.retained(now.date() - self.rules.shortest):
                if self.rules.expired(study, now.date()):
                    yield study.study_instance_uid
        if self.rules.rejected:
            async for uid in self.book.rejected():
                yield uid


@dataclass(frozen=True, slots=True)
class Deleting:
    """What it takes to delete objects that nothing names any more."""

    doomed: Doomed
    delete: Callable[[str, str], Awaitable[None]]
    """An object by bucket and key; one that is not there is no error. Raises Away."""

    async def next(self) -> bool:
        """Delete some that are due; False where none are. Killed anywhere, it is done again."""
        objects = await self.doomed.claim(datetime.now(UTC), AT_ONCE)
        for bucket, key in objects:
            await self.delete(bucket, key)
            await self.doomed.deleted(bucket, key)
            _deleted.inc()
        return bool(objects)

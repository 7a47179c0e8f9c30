"""How far this service has listened: silence is evidence only up to there."""

from datetime import UTC, datetime
from typing import TypeAlias

from fj_bus import Consumer, lag_of

Places: TypeAlias = dict[tuple[str, int], int]


class GroupHearing:
    """See `storage_service.ports.studies.Hearing`.

    Compares what the group has committed with where the log ended before.
    After an outage the facts of that time are still on their way in here, and a sweep that looked at the clock alone
    would close studies whose images it has not heard of.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._mark: tuple[datetime, Places] | None = None
        """An end of the log that has not been reached yet."""
        self._heard: datetime | None = None

    async def heard_until(self) -> datetime | None:
        now = datetime.now(UTC)
        consumer = self._consumer
        lags = await lag_of(consumer.bus, consumer.group, consumer.handlers.topics)
        reached = {(lag.topic, lag.partition): lag.end - lag.lag for lag in lags}
        if not any(lag.lag for lag in lags):
            self._heard, self._mark = now, None
        elif self._mark is not None and all(reached[place] >= end for place, end in self._mark[1].items()):
            self._heard, self._mark = self._mark[0], None
        if self._mark is None and self._heard != now:
            self._mark = now, {(lag.topic, lag.partition): lag.end for lag in lags}
        return self._heard

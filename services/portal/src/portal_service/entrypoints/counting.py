"""How many exceptions wait, by kind and age, for whoever watches figures."""

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from fj_runtime import Periodic
from prometheus_client import Gauge

from portal_service.domain.exceptions import AGES, Kind, age_of
from portal_service.ports import ExamBook

_EVERY_SECONDS: Final = 15.0
_open: Final = Gauge(
    "portal_exceptions", "Open entries of the exceptions list; age: how long they wait", ["kind", "age"]
)


def counting(book: ExamBook) -> Periodic:
    """The part that counts them."""

    async def count() -> None:
        now = datetime.now(UTC)
        waiting = Counter((kind, age_of(now - since)) for kind, since in await book.exceptions_open())
        for kind in Kind:
            for age in AGES:
                _open.labels(kind, age).set(waiting[kind, age])

    return Periodic("exceptions", _EVERY_SECONDS, count, seconds_max=60)

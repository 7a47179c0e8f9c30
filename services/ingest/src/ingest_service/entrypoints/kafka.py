"""Which facts `ingest` listens to, and the handler of each."""

from collections.abc import Callable

from fj_bus import Consumer, Tx
from fj_events import StudyRetired

from ingest_service import handlers
from ingest_service.ports import DigestUnit


def subscribe(consumer: Consumer, digests: Callable[[Tx, str], DigestUnit]) -> None:
    """Bind every fact. `digests` begins a unit about a study in the transaction at hand."""

    @consumer.on(StudyRetired)
    async def _(fact: StudyRetired, tx: Tx) -> None:
        await handlers.forget(fact, digests(tx, fact.study_instance_uid))

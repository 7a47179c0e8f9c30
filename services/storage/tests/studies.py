"""A study from outside: its facts, its objects, what a search shows of it, and a person who acts on it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
from fj_objects import NoSuchObject, ObjectStore
from fj_testing import Log, Record, eventually
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam

WHY: Final = {"reason": "court order"}
OFFICER: Final = {"X-FJ-User": "records.officer"}


async def facts_of(log: Log, exam: Exam, type_: str, count: int = 1) -> list[Record]:
    """The facts of this type about a study, as soon as there are `count`; never more."""
    records = await log.wait_for(
        "study-events",
        where=lambda record: (record.key, record.type) == (exam.study_uid, type_),
        count=count,
        within=20,
    )
    assert len(records) == count
    return records


async def types_of(log: Log, exam: Exam) -> list[str]:
    """Of all facts so far."""
    return [record.type for record in await log.read("study-events") if record.key == exam.study_uid]


async def knows(pool: Pool, *exams: Exam) -> None:
    """Storage has heard of their orders."""

    async def known() -> bool:
        ids = [exam.order_id for exam in exams]
        found = await pool.fetch("SELECT FROM known_order WHERE order_id = ANY($1::uuid[])", ids)
        return len(found) == len(ids)

    await eventually(known, within=20, what="the orders")


async def is_gone(store: ObjectStore, key: str) -> bool:
    try:
        await store.head(key)
    except NoSuchObject:
        return True
    return False


@dataclass
class Study:
    """One of a running `storage`."""

    exam: Exam
    http: httpx.AsyncClient
    log: Log
    pool: Pool

    @property
    def api(self) -> str:
        return f"/api/storage/studies/{self.exam.study_uid}"

    async def found(self) -> int:
        """How many instances a search shows."""
        return len((await self.http.get(f"/dicomweb/studies/{self.exam.study_uid}/instances")).json())

    async def shows(self, count: int) -> None:
        async def shown() -> bool:
            return await self.found() == count

        await eventually(shown, within=20)

    async def available(self) -> None:
        async def is_there() -> bool:
            answer = await self.http.get(self.api)
            return answer.status_code == 200 and answer.json()["available_at"] is not None

        await eventually(is_there, within=20)

    async def told(self, type_: str, count: int = 1) -> list[Any]:
        return [record.body for record in await facts_of(self.log, self.exam, type_, count)]

    async def types(self) -> list[str]:
        return await types_of(self.log, self.exam)

    async def says(self, act: str, **more: Any) -> httpx.Response:
        return await self.http.post(f"{self.api}/{act}", json=WHY | more, headers=OFFICER)

    async def keeping(self) -> Any:
        return (await self.http.get(f"{self.api}/keeping")).json()

    async def is_overdue(self, by: timedelta) -> None:
        """Its grace ended so long ago; what `ingest` has said of it stays as it is."""
        due = "UPDATE retirement SET removal_at = now() - $2::interval WHERE study_instance_uid = $1"
        await self.pool.execute(due, self.exam.study_uid, by)

    async def grace_ends(self) -> None:
        await grace_ends(self.pool, self.exam)


async def grace_ends(pool: Pool, exam: Exam) -> None:
    """And `ingest` takes what comes of it for new."""
    due = "UPDATE retirement SET removal_at = now(), forgotten_at = now() WHERE study_instance_uid = $1"
    await pool.execute(due, exam.study_uid)

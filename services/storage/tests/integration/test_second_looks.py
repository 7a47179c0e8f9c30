"""A study that cannot be compared once more waits for its own turn, and others do not wait for it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import pytest
from fj_testing import Feed, Log, eventually
from pydicom.uid import generate_uid
from storage_service.adapters.sql import Pool
from storage_service.domain.second_look import ATTEMPTS_MAX

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
PERSON: Final = {"X-FJ-User": "olga"}
MARK: Final = "INSERT INTO second_look (study_instance_uid) VALUES ($1)"
HARM: Final = """
UPDATE told SET told = jsonb_set(told, '{patient}', '"not a patient"') WHERE study_instance_uid = $1
"""
HEAL: Final = """
UPDATE told SET told = jsonb_set(told, '{patient}', '{}') WHERE study_instance_uid = $1
"""


async def marked(pool: Pool, exam: Exam) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM second_look WHERE study_instance_uid = $1", exam.study_uid))


@pytest.fixture
def look_of(http: httpx.AsyncClient) -> Callable[[Exam], Any]:
    """What operators see of a study's second look."""

    async def read(exam: Exam) -> Any:
        answer = await http.get(f"/api/storage/studies/{exam.study_uid}/second-look")
        return answer.json() if answer.status_code == 200 else None

    return read


@pytest.fixture
def comes(feed: Feed, packer: Packer, study_of: Callable[[Exam], Study]) -> Callable[[Exam], Awaitable[None]]:
    """A study of one image."""

    async def come(exam: Exam) -> None:
        await feed.publish(await packer.ship(exam, exam.images(1)))
        await study_of(exam).available()

    return come


@pytest.fixture
async def harmed(pool: Pool, comes: Callable[[Exam], Awaitable[None]]) -> Exam:
    """A study that cannot be compared, and the first one by its UID."""
    exam = Exam(study_uid=str(generate_uid("1.2.3.")))
    await comes(exam)
    assert await pool.execute(HARM, exam.study_uid) == "UPDATE 1"
    return exam


async def test_a_study_whose_look_fails_does_not_keep_the_next_one_waiting(
    pool: Pool, harmed: Exam, comes: Callable[[Exam], Awaitable[None]], look_of: Callable[[Exam], Any]
) -> None:
    other = Exam()
    assert other.study_uid > harmed.study_uid
    await comes(other)
    await pool.execute(MARK, harmed.study_uid)
    await eventually(lambda: _failed(look_of, harmed), within=20)
    await pool.execute(MARK, other.study_uid)
    await eventually(lambda: _gone(pool, other), within=20, what="the look at the next study")
    seen = await look_of(harmed)
    assert (seen["last_error"], seen["given_up_at"]) == ("ValidationError", None)
    assert seen["due_at"] is not None

    await pool.execute(HEAL, harmed.study_uid)
    await eventually(lambda: _gone(pool, harmed), within=30, what="the look that had failed")
    assert await look_of(harmed) is None


async def test_a_look_that_fails_again_and_again_is_left_to_a_person(
    pool: Pool, harmed: Exam, http: httpx.AsyncClient, log: Log, look_of: Callable[[Exam], Any]
) -> None:
    address, work_id = f"/api/storage/studies/{harmed.study_uid}/second-look", f"storage.second_look.{harmed.study_uid}"

    async def told(count: int) -> list[Any]:
        return await log.wait_for("operator-events", where=lambda fact: fact.key == work_id, count=count, within=20)

    async def last_attempt() -> None:
        sql = "UPDATE second_look SET attempts = $2, due_at = now() WHERE study_instance_uid = $1"
        await pool.execute(sql, harmed.study_uid, ATTEMPTS_MAX - 1)

    assert (await http.post(f"{address}/repeat", headers=PERSON)).status_code == 409
    await pool.execute(MARK, harmed.study_uid)
    await eventually(lambda: _failed(look_of, harmed), within=20)
    await last_attempt()
    [up] = await told(1)
    assert (up.type, up.body["about"], up.body["address"]) == ("work.given_up.v1", harmed.study_uid, address)
    assert up.body["reason"] == f"ValidationError, {ATTEMPTS_MAX} times"
    seen = await look_of(harmed)
    assert seen["due_at"] is None
    assert seen["given_up_at"] is not None

    assert (await http.post(f"{address}/cancel")).status_code == 401
    because = {"reason": "after the fix"}
    assert (await http.post(f"{address}/repeat", json=because, headers=PERSON)).status_code == 202
    settled = (await told(2))[1]
    assert (settled.body["settled_as"], settled.body["actor"]) == ("repeated", "olga")
    await eventually(lambda: _failed(look_of, harmed), within=20)
    await last_attempt()
    assert [fact.type for fact in await told(3)][2] == "work.given_up.v1"

    # Marked anew it has its turn again, and nobody needs to look once that has succeeded.
    await pool.execute(HEAL, harmed.study_uid)
    await pool.execute(
        "UPDATE second_look SET due_at = now(), attempts = 0 WHERE study_instance_uid = $1", harmed.study_uid
    )
    by_itself = (await told(4))[3]
    assert (by_itself.type, by_itself.body.get("actor")) == ("work.settled.v1", None)
    assert await look_of(harmed) is None
    assert (await http.post(f"{address}/cancel", json=because, headers=PERSON)).status_code == 409


async def _failed(look_of: Callable[[Exam], Any], exam: Exam) -> bool:
    seen = await look_of(exam)
    return bool(seen and seen["last_error"])


async def _gone(pool: Pool, exam: Exam) -> bool:
    return not await marked(pool, exam)

"""The projection on real Kafka and PostgreSQL: one exam whatever comes first, its pages, its rebuild."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Evidence,
    ExamStarted,
    Fact,
    Identifier,
    MatchRule,
    OrderPlaced,
    PatientPhi,
    PatientUpdated,
    Priority,
    ReportFinalized,
    ReportPhi,
    Source,
    StudyMatched,
    StudyReceived,
)
from fj_local.postgres import Server
from fj_testing import Feed, ServiceProcess, Services, eventually

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
async def http(portal: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=portal.http) as client:
        yield client


class Exam:
    """The facts of one exam."""

    def __init__(self) -> None:
        self.order_id: UUID = uuid4()
        self.number = f"{next(NUMBERS):05d}"
        self.uid = f"1.2.3.{self.number}"
        self.accession = Identifier(value=f"A{self.number}", issuer="MAIN")
        self.patient_id = uuid4()
        self.patient = PatientPhi(id=Identifier(value=f"P{self.number}", issuer="MAIN"), family_name="Example")

    def order(self) -> OrderPlaced:
        return OrderPlaced(
            site="MAIN",
            order_id=self.order_id,
            patient_id=self.patient_id,
            accession_number=self.accession,
            placer_order_number=Identifier(value=f"PL{self.number}", issuer="EHR"),
            study_instance_uid=f"2.25.{self.number}",
            requested_procedure_id=self.accession.value,
            procedure=CodedConcept(code="CTCHEST", text="CT chest"),
            priority=Priority.ROUTINE,
            source=Source.HL7,
            patient=self.patient,
            clinical=ClinicalPhi(history="smoker", notes="Body height: 170 cm\n<b>Body</b> weight: 68 kg"),
        )

    def started(self) -> ExamStarted:
        return ExamStarted(
            site="MAIN",
            exam_key=str(self.order_id),
            order_id=self.order_id,
            study_instance_uid=self.uid,
            evidence=Evidence.MPPS,
        )

    def received(self) -> StudyReceived:
        return StudyReceived.model_validate(
            {
                "site": "MAIN",
                "study_instance_uid": self.uid,
                "patient": self.patient,
                "modalities": ["CT"],
                "received_at": "2026-03-02T09:00:00Z",
            }
        )

    def matched(self) -> StudyMatched:
        return StudyMatched(
            site="MAIN",
            study_instance_uid=self.uid,
            order_id=self.order_id,
            patient_id=self.patient_id,
            accession_number=self.accession,
            matched_by=MatchRule.ACCESSION,
            reason="the same accession number",
            ordered_study_instance_uid=f"2.25.{self.number}",
        )

    def final(self) -> ReportFinalized:
        return ReportFinalized(
            site="MAIN",
            report_id=uuid4(),
            exam_key=str(self.order_id),
            order_id=self.order_id,
            version=1,
            source=Source.HL7,
            content=ReportPhi(text="The lungs are clear."),
        )

    async def answer(self, http: httpx.AsyncClient, state: str, facts: int) -> dict[str, Any]:
        """The exam answer, once it shows this state and so many facts."""

        async def there() -> dict[str, Any] | None:
            found = (await http.get("/api/portal/exams", params={"study_instance_uid": self.uid})).json()["exams"]
            shown = [exam for exam in found if exam["state"] == state and len(exam["timeline"]) == facts]
            return shown[0] if len(found) == 1 and shown else None

        answer: dict[str, Any] | None = await eventually(
            there, within=20, what=f"{self.accession} {state} with {facts} facts"
        )
        assert answer is not None
        return answer


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5], ids=str)
async def test_one_exam_whatever_comes_first(http: httpx.AsyncClient, feed: Feed, order: tuple[int, ...]) -> None:
    exam = Exam()
    groups: list[list[Fact]] = [[exam.order()], [exam.started()], [exam.received(), exam.matched()], [exam.final()]]
    for index in order:
        await feed.publish(*groups[index])
    answer = await exam.answer(http, "reported", 5)
    assert (answer["order_id"], answer["accession_number"]) == (str(exam.order_id), exam.accession.value)
    assert answer["study_instance_uids"] == [exam.uid]
    assert answer["patient"]["id"] == f"P{exam.number}"


async def test_exams_are_found_by_every_number_and_show_who_the_patient_is_now(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    exam = Exam()
    renamed = exam.patient.model_copy(update={"family_name": "Sample"})
    await feed.publish(exam.order(), exam.received(), exam.matched())
    await exam.answer(http, "in_progress", 3)
    await feed.publish(
        PatientUpdated(site="MAIN", patient_id=exam.patient_id, provisional=False, source=Source.HL7, patient=renamed)
    )

    async def shows_the_new_name() -> bool:
        return bool((await exam.answer(http, "in_progress", 3))["patient"]["family_name"] == "Sample")

    await eventually(shows_the_new_name)
    for query in (
        {"accession": exam.accession.value},
        {"patient_id": f"P{exam.number}"},
        {"placer_order_number": f"PL{exam.number}"},
        {"text": f"pl{exam.number}"},
    ):
        [found] = (await http.get("/api/portal/exams", params=query)).json()["exams"]
        assert found["order_id"] == str(exam.order_id)
    assert (await http.get("/api/portal/exams", params={"accession": "none"})).json() == {"exams": []}


async def test_the_pages_show_the_exam_and_keep_no_copy(http: httpx.AsyncClient, feed: Feed) -> None:
    exam = Exam()
    await feed.publish(exam.order(), exam.received(), exam.matched(), exam.final())
    await exam.answer(http, "reported", 4)
    listed = await http.get("/", params={"text": exam.number})
    assert f"/exams/{exam.order_id}" in listed.text
    page = await http.get(f"/exams/{exam.order_id}")
    notes = "Body height: 170 cm<br>&lt;b&gt;Body&lt;/b&gt; weight: 68 kg"
    for shown in (
        "Example",
        exam.accession.value,
        "order.placed.v1",
        "The lungs are clear.",
        exam.uid,
        "smoker",
        notes,
    ):
        assert shown in page.text
    assert (page.headers["cache-control"], page.headers["x-content-type-options"]) == ("no-store", "nosniff")
    for address in ("/reading", "/system", "/static/portal.js", "/static/portal.css"):
        assert (await http.get(address)).status_code == 200
    assert (await http.get("/exams/nobody")).status_code == 404
    assert (await http.get("/static/..%2fmain.py")).status_code == 404


async def test_text_of_a_sender_cannot_become_part_of_the_page(http: httpx.AsyncClient, feed: Feed) -> None:
    exam = Exam()
    exam.patient = exam.patient.model_copy(update={"family_name": "<script>alert(1)</script>"})
    await feed.publish(exam.order(), exam.received(), exam.matched())
    await exam.answer(http, "in_progress", 3)
    page = await http.get(f"/exams/{exam.order_id}")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_an_open_page_is_told_what_changes(http: httpx.AsyncClient, feed: Feed) -> None:
    exam = Exam()

    async def told() -> str:
        async with http.stream("GET", "/api/portal/changes", timeout=20) as stream:
            started.set()
            async for line in stream.aiter_lines():
                if str(exam.order_id) in line:
                    return line
        return ""

    started = asyncio.Event()
    listening = asyncio.create_task(told())
    await started.wait()
    await feed.publish(exam.order())
    assert str(exam.order_id) in await asyncio.wait_for(listening, 20)


async def test_it_outlives_its_database(
    http: httpx.AsyncClient, feed: Feed, portal: ServiceProcess, services: Services, postgres: Server
) -> None:
    name = urlsplit(services.database("portal")).path.removeprefix("/")
    postgres.run_sql(
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false;'
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';"
    )
    process = portal.running

    async def has_missed_it() -> bool:
        metrics = (await http.get("/metrics")).text
        return all(f'fj_periodic_errors_total{{part="{part}"}}' in metrics for part in ("changes", "database"))

    await eventually(has_missed_it, within=15)
    postgres.run_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true;')
    exam = Exam()
    await feed.publish(exam.order(), exam.received(), exam.matched(), exam.final())
    await exam.answer(http, "reported", 4)
    await eventually(lambda: _is_ready(http), within=15)
    assert portal.running == process


async def _is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/health/ready")).status_code == httpx.codes.OK


async def test_a_rebuilt_projection_is_the_one_that_was_there(
    http: httpx.AsyncClient, feed: Feed, portal: ServiceProcess, services: Services
) -> None:
    exam = Exam()
    await feed.publish(exam.order(), exam.received(), exam.matched(), exam.final())
    before = await exam.answer(http, "reported", 4)
    portal.stop()
    services.run("portal", "rebuild")
    portal.start()
    assert await exam.answer(http, "reported", 4) == before


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"accession": ""}])
async def test_a_bad_query_is_a_problem(http: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await http.get("/api/portal/exams", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")

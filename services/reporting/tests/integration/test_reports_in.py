"""Reports through the real doors: before and after their exam, in every order; the reading list."""

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Completeness,
    Identifier,
    MatchRule,
    OrderPlaced,
    PatientPhi,
    Priority,
    PriorityRaised,
    Source,
    StudyAvailable,
    StudyMatched,
)
from fj_hl7 import MllpClient, Refused
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
USER = {"X-FJ-User": "rolf"}


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def reporting(services: Services, mllp_port: int) -> ServiceProcess:
    return services.start("reporting", REPORTING_MLLP_PORT=mllp_port)


@pytest.fixture
async def dictation(reporting: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    client = MllpClient("127.0.0.1", mllp_port)
    yield client
    await client.close()


@pytest.fixture
async def http(reporting: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=reporting.http, headers=USER) as client:
        yield client


class Exam:
    """One exam as the other services speak of it."""

    def __init__(self) -> None:
        self.number = f"{next(NUMBERS):05d}"
        self.order_id: UUID = uuid4()
        self.uid = f"2.25.{self.order_id.int}"
        self.accession = Identifier(value=f"A{self.number}", issuer="MAIN")

    def order(self, priority: Priority = Priority.ROUTINE) -> OrderPlaced:
        return OrderPlaced(
            site="MAIN",
            order_id=self.order_id,
            patient_id=uuid4(),
            accession_number=self.accession,
            placer_order_number=Identifier(value=f"PL{self.number}", issuer="EHR"),
            study_instance_uid=self.uid,
            requested_procedure_id=self.accession.value,
            procedure=CodedConcept(code="CTCHEST", text="CT chest"),
            priority=priority,
            source=Source.HL7,
            patient=PatientPhi(family_name="Example"),
            clinical=ClinicalPhi(),
        )

    def available(self) -> StudyAvailable:
        return StudyAvailable.model_validate(
            {
                "site": "MAIN",
                "study_instance_uid": self.uid,
                "accession_number": self.accession,
                "modalities": ["CT"],
                "patient": {"family_name": "Example"},
                "series": [],
                "number_of_series": 1,
                "number_of_instances": 4,
                "completeness": Completeness.MPPS,
                "reason": "mpps lists 4, all here",
                "last_evidence_at": "2026-03-02T09:00:00Z",
            }
        )

    def matched(self) -> StudyMatched:
        return StudyMatched(
            site="MAIN",
            study_instance_uid=self.uid,
            order_id=self.order_id,
            patient_id=uuid4(),
            accession_number=self.accession,
            matched_by=MatchRule.STUDY_UID,
            reason="the same UID",
            ordered_study_instance_uid=self.uid,
        )

    def oru(self, status: str, text: str = "The lungs are clear.", minute: int = 0, *, placer: bool = True) -> bytes:
        return "\r".join(
            (
                f"MSH|^~\\&|DICT|GENERAL|FJ|FJ|202603020900||ORU^R01^ORU_R01|C{next(NUMBERS)}|P|2.5.1",
                "PID|1||P1^^^GENERAL^MR||Example^Ada",
                f"OBR|1|{f'PL{self.number}' if placer else ''}|{self.accession.value}|CTCHEST^CT chest^L"
                + "|" * 18
                + f"2026030209{minute:02d}00|||{status}",
                f"OBX|1|TX|18748-4^Report^LN|1|{text}||||||{status}",
                f"OBX|2|TX|18748-4^Report^LN|2|No effusion.||||||{status}",
                f"OBX|3|TX|18748-4&IMP^Impression^LN|1|Normal.||||||{status}",
            )
        ).encode()

    async def reports(self, log: Log, *types: str) -> list[Any]:
        key = str(self.order_id)
        records = await log.wait_for("report-events", where=lambda record: record.key == key, count=len(types))
        assert [record.type for record in records] == list(types)
        assert [record.body["version"] for record in records] == list(range(1, len(types) + 1))
        return records


@pytest.mark.parametrize("placer", [True, False], ids=["by placer number", "by accession number"])
async def test_a_report_is_given_out_with_its_text_and_numbers(
    dictation: MllpClient, feed: Feed, log: Log, placer: bool
) -> None:
    exam = Exam()
    await feed.publish(exam.order())
    await dictation.send(exam.oru("P", placer=placer))
    await dictation.send(exam.oru("F", "No nodules.", 1, placer=placer))
    _, final = await exam.reports(log, "report.preliminary.v1", "report.finalized.v1")
    assert final.body["content"] == {"text": "No nodules.\nNo effusion.", "impression": "Normal."}
    assert final.body["order_id"] == str(exam.order_id)
    assert final.body["placer_order_number"] == {"value": f"PL{exam.number}", "issuer": "EHR"}


async def test_reports_that_come_before_their_order_wait_for_it(dictation: MllpClient, feed: Feed, log: Log) -> None:
    exam = Exam()
    for status in "PF":
        assert (await dictation.send(exam.oru(status))).code == "AA"
    await feed.publish(exam.order())
    await exam.reports(log, "report.preliminary.v1", "report.finalized.v1")


@pytest.mark.parametrize("early", [True, False], ids=["order last", "order first"])
async def test_a_preliminary_after_the_final_is_taken_and_changes_nothing(
    dictation: MllpClient, feed: Feed, log: Log, early: bool
) -> None:
    exam = Exam()
    if not early:
        await feed.publish(exam.order())
    await dictation.send(exam.oru("F", minute=1))
    assert (await dictation.send(exam.oru("P", "Maybe.", minute=0))).code == "AA"
    await dictation.send(exam.oru("C", "Left, not right.", minute=2))
    if early:
        await feed.publish(exam.order())
    await exam.reports(log, "report.finalized.v1", "report.amended.v1")


async def test_the_same_message_twice_is_one_version(dictation: MllpClient, feed: Feed, log: Log) -> None:
    exam = Exam()
    await feed.publish(exam.order())
    raw = exam.oru("F")
    assert await dictation.send(raw) == await dictation.send(raw)
    await dictation.send(exam.oru("F"))
    await dictation.send(exam.oru("C", "Left.", minute=1))
    await exam.reports(log, "report.finalized.v1", "report.amended.v1")


async def test_a_document_is_a_report(dictation: MllpClient, feed: Feed, log: Log) -> None:
    exam = Exam()
    await feed.publish(exam.order())
    raw = "\r".join(
        (
            f"MSH|^~\\&|DICT|GENERAL|FJ|FJ|202603020900||MDM^T02^MDM_T02|C{next(NUMBERS)}|P|2.5.1",
            "EVN|T02|202603020900",
            "PID|1||P1^^^GENERAL^MR||Example^Ada",
            f"TXA|1|DI|TX|202603020900|R1^Reader^Rolf|||||||D1||PL{exam.number}|{exam.accession.value}||AU",
            "OBX|1|TX|18748-4^Report^LN|1|Clear.||||||F",
        )
    )
    await dictation.send(raw.encode())
    [final] = await exam.reports(log, "report.finalized.v1")
    assert final.body["author"] == {"id": "R1", "family_name": "Reader", "given_name": "Rolf"}


def document(exam: Exam, event: str, number: str, text: str, *, parent: str = "", minute: int = 0) -> bytes:
    named = f"||PL{exam.number}|{exam.accession.value}|" if event == "T02" else f"|{parent}|||"
    return "\r".join(
        (
            f"MSH|^~\\&|DICT|GENERAL|FJ|FJ|20260302090{minute}||MDM^{event}|C{next(NUMBERS)}|P|2.5.1",
            "PID|1||P1^^^GENERAL^MR||Example^Ada",
            f"TXA|1|DI|TX|20260302090{minute}|R{minute}^Reader^Rolf|||||||{number}{named}|AU",
            f"OBX|1|TX|18748-4^Report^LN|1|{text}||||||F",
        )
    ).encode()


@pytest.mark.parametrize("first", ["document", "addendum", "both before the order"])
async def test_an_addendum_is_added_to_the_document_that_it_names_whichever_comes_first(
    dictation: MllpClient, feed: Feed, log: Log, http: httpx.AsyncClient, first: str
) -> None:
    exam = Exam()
    one, two = f"D{exam.number}", f"E{exam.number}"
    messages = [
        document(exam, "T02", one, "Clear."),
        document(exam, "T06", two, "A nodule after all.", parent=one, minute=1),
    ]
    if first == "addendum":
        messages.reverse()
    if first != "both before the order":
        await feed.publish(exam.order())
    for raw in messages:
        assert (await dictation.send(raw)).code == "AA"
    if first == "both before the order":
        await feed.publish(exam.order())
    final, amended = await exam.reports(log, "report.finalized.v1", "report.amended.v1")
    assert final.body["content"] == {"text": "Clear."}
    assert amended.body["content"] == {"text": "Clear.\n\nAddendum:\nA nodule after all."}
    assert (amended.body["reason"], amended.body["author"]["id"]) == ("addendum", "R1")

    # Said again, in another message, it adds nothing; an addendum to the addendum goes to the same report.
    await dictation.send(document(exam, "T06", two, "A nodule after all.", parent=one, minute=1))
    await dictation.send(document(exam, "T06", f"F{exam.number}", "It is 4 mm.", parent=two, minute=2))
    *_, third = await exam.reports(log, "report.finalized.v1", "report.amended.v1", "report.amended.v1")
    assert third.body["content"]["text"].endswith("A nodule after all.\n\nAddendum:\nIt is 4 mm.")
    waiting = (await http.get("/api/reporting/waiting")).json()
    assert not [each for each in waiting if (each.get("addendum_to") or {}).get("value") in {one, two}]


async def test_an_addendum_that_names_no_document_is_refused(dictation: MllpClient) -> None:
    with pytest.raises(Refused) as refused:
        await dictation.send(document(Exam(), "T06", "D7", "What of?"))
    assert [(error.code, error.segment, error.field) for error in refused.value.ack.errors] == [("101", "TXA", 13)]


@pytest.mark.parametrize(
    ("change", "code"),
    [((b"|||F\r", b"|||Z\r"), "103"), ((b"|||F\r", b"|||\r"), "101"), ((b"|TX|", b"|ED|"), "101")],
    ids=["unknown status", "no status", "no text"],
)
async def test_what_cannot_be_read_is_refused(dictation: MllpClient, change: tuple[bytes, bytes], code: str) -> None:
    with pytest.raises(Refused) as refused:
        await dictation.send((Exam().oru("F") + b"\r").replace(*change))
    assert [error.code for error in refused.value.ack.errors] == [code]


async def test_the_reading_list_is_ordered_by_priority_and_moves(
    http: httpx.AsyncClient, dictation: MllpClient, feed: Feed
) -> None:
    routine, stat, raised = Exam(), Exam(), Exam()
    for exam, priority in ((routine, Priority.ROUTINE), (stat, Priority.STAT), (raised, Priority.ROUTINE)):
        await feed.publish(exam.order(priority), exam.available(), exam.matched())

    async def listed() -> list[str]:
        items = (await http.get("/api/reporting/reading-list")).json()
        known = {str(exam.order_id): exam.number for exam in (routine, stat, raised)}
        return [known[item["exam_key"]] for item in items if item["exam_key"] in known]

    async def becomes(*exams: Exam) -> None:
        wanted = [exam.number for exam in exams]

        async def so() -> bool:
            return await listed() == wanted

        await eventually(so, what=f"reading list {wanted}")

    assert len({routine.number, stat.number, raised.number}) == 3
    await eventually(lambda: _three(listed))
    assert (await listed())[0] == stat.number
    await feed.publish(
        PriorityRaised(
            site="MAIN",
            study_instance_uid=raised.uid,
            task="rules",
            rule="stroke",
            priority=Priority.ASAP,
            previous=Priority.ROUTINE,
            reason="stroke protocol",
        )
    )
    await becomes(stat, raised, routine)
    await dictation.send(stat.oru("F"))
    await becomes(raised, routine)


async def _three(listed: Callable[[], Any]) -> bool:
    return len(await listed()) == 3


async def test_a_report_is_drafted_signed_and_amended_on_a_page(http: httpx.AsyncClient, feed: Feed, log: Log) -> None:
    exam = Exam()
    await feed.publish(exam.order(), exam.available())
    address = f"/api/reporting/exams/{exam.order_id}"

    async def known() -> bool:
        return (await http.get(address)).status_code == 200

    await eventually(known)
    assert (await http.post(f"{address}/sign", json={})).status_code == 409
    assert (await http.put(f"{address}/draft", json={"text": "Clear.", "impression": "Normal."})).status_code == 204
    assert (await http.get(address)).json()["draft"]["text"] == "Clear."
    assert (await http.post(f"{address}/amend", json={"text": "x"})).status_code == 409
    signed = (await http.post(f"{address}/sign", json={})).json()
    assert (signed["status"], signed["author"], signed["text"]) == ("F", "rolf", "Clear.")
    assert (await http.post(f"{address}/sign", json={"text": "again"})).status_code == 409
    await http.post(f"{address}/amend", json={"text": "Left.", "reason": "laterality"})
    _, amended = await exam.reports(log, "report.finalized.v1", "report.amended.v1")
    assert (amended.body["actor"], amended.body["reason"]) == ("rolf", "laterality")


async def test_who_had_no_answer_signs_again_and_has_it_signed_once(
    http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    exam = Exam()
    await feed.publish(exam.order(), exam.available())
    address = f"/api/reporting/exams/{exam.order_id}"

    async def known() -> bool:
        return (await http.get(address)).status_code == 200

    await eventually(known)
    await http.put(f"{address}/draft", json={"text": "Nodule.", "impression": "Follow up."})
    acts: list[tuple[str, dict[str, str]]] = [
        ("preliminary", {}),
        ("sign", {"text": "Nodule, 4 mm.", "impression": "Follow up."}),
        ("amend", {"text": "Nodule, left, 4 mm.", "reason": "laterality"}),
    ]
    for act, said in acts:
        first, again = [await http.post(f"{address}/{act}", json=said) for _ in range(2)]
        assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    other = {"X-FJ-User": "another"}
    assert (await http.post(f"{address}/sign", json=acts[1][1], headers=other)).status_code == 409

    under = {"Idempotency-Key": "right"}
    mine, theirs = ({"text": f"Nodule, {side}.", "reason": "laterality"} for side in ("right", "left"))
    assert (await http.post(f"{address}/amend", json=mine, headers=under)).json()["version"] == 4
    later = await http.post(f"{address}/amend", json=theirs, headers=other)
    assert (await http.post(f"{address}/amend", json=mine, headers=under)).json() == later.json()
    amended = ["report.amended.v1"] * 3
    told = await exam.reports(log, "report.preliminary.v1", "report.finalized.v1", *amended)
    assert [fact.body["version"] for fact in told] == [1, 2, 3, 4, 5]


async def test_changing_needs_a_user_and_an_exam(http: httpx.AsyncClient) -> None:
    nobody = await http.put("/api/reporting/exams/x/draft", json={"text": "x"}, headers={"X-FJ-User": ""})
    assert nobody.status_code == 401
    unknown = await http.put("/api/reporting/exams/x/draft", json={"text": "x"})
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    bad = await http.put("/api/reporting/exams/x/draft", content="{", headers={"Content-Type": "application/json"})
    assert bad.status_code == 400

"""The FHIR R4 API over HTTP, fed by facts on a real Kafka."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import pytest
from fj_events import Identifier, Priority
from fj_fhir import check
from fj_testing import Feed, ServiceProcess, Services, eventually

from services.ehr_sync.tests.builders import TEXT, Exam
from services.ehr_sync.tests.ordered import a_patient

pytestmark = pytest.mark.servers
LOINC = "http://loinc.org"
OWN = "urn:filmjacket:issuer:"


@dataclass(frozen=True, slots=True)
class World:
    """Two exams of two patients: one reported, one only ordered; and a report without an order."""

    full: Exam
    ordered: Exam
    lone: Exam


@pytest.fixture(scope="module")
def service(services: Services) -> ServiceProcess:
    return services.start("ehr_sync", EHR_SYNC_READ_PATIENCE_SECONDS="0.3")


@pytest.fixture(scope="module")
async def http(service: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{service.http}/fhir") as client:
        yield client


@pytest.fixture(scope="module")
async def world(kafka: str, topic_prefix: str, http: httpx.AsyncClient) -> World:
    full = Exam("F1", patient=a_patient("P1", "Müller-Lüdenscheidt", "Ada Maria"), code="CTCHEST")
    ordered = Exam(
        "F2", patient=a_patient("P2", "Muster", "Bo", date(1999, 12, 31)), code="MRHEAD", priority=Priority.STAT
    )
    lone = Exam("F3", patient=a_patient("P3", "Lonesome", "Luke", date(1950, 1, 1)))
    without_order = lone.finalized().model_copy(update={"order_id": None, "exam_key": lone.uid})
    async with Feed(kafka, topic_prefix) as facts:
        await facts.publish(full.registered(), ordered.registered(), lone.registered())
        await facts.publish(full.placed(), full.received(), full.matched(), full.available())
        await facts.publish(full.preliminary(), full.finalized(), full.order_completed(), ordered.placed())
        await facts.publish(lone.received(), without_order)
    await eventually(lambda: arrived(http, full, ordered, lone), within=20)
    return World(full, ordered, lone)


async def arrived(http: httpx.AsyncClient, full: Exam, ordered: Exam, lone: Exam) -> bool:
    """Whether the last fact of each key has been folded."""
    assert (await http.get(f"/ServiceRequest/{ordered.order_id}")).status_code == 200
    assert (await http.get(f"/ServiceRequest/{full.order_id}")).json()["status"] == "completed"
    assert (await http.get(f"/ImagingStudy/{full.uid}")).json()["status"] == "available"
    assert (await http.get(f"/DiagnosticReport/{full.report_id}")).json()["status"] == "final"
    for resource in (f"Patient/{lone.patient_id}", f"DiagnosticReport/{lone.report_id}", f"ImagingStudy/{lone.uid}"):
        assert (await http.get(f"/{resource}")).status_code == 200
    return True


async def good(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """The resource at `path`, which has to be good R4."""
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    body: dict[str, Any] = answer.json()
    check(body["resourceType"], body)
    return body


async def found(http: httpx.AsyncClient, query: str) -> set[str]:
    bundle = await good(http, f"/{query}")
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    entries = bundle.get("entry", [])
    assert bundle["total"] == len(entries)
    for entry in entries:
        check(entry["resource"]["resourceType"], entry["resource"])
        assert entry["fullUrl"].endswith(f"/fhir/{entry['resource']['resourceType']}/{entry['resource']['id']}")
    return {entry["resource"]["id"] for entry in entries}


async def test_a_patient_is_read(http: httpx.AsyncClient, world: World) -> None:
    patient = await good(http, f"/Patient/{world.full.patient_id}")
    [number] = patient["identifier"]
    assert (number["system"], number["value"]) == (f"{OWN}GENERAL", "P1")
    assert patient["name"] == [{"family": "Müller-Lüdenscheidt", "given": ["Ada Maria"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-04-01")
    assert patient["address"][0]["city"] == "Ulm"


async def test_an_order_is_read(http: httpx.AsyncClient, world: World) -> None:
    request = await good(http, f"/ServiceRequest/{world.ordered.order_id}")
    assert (request["status"], request["intent"], request["priority"]) == ("active", "order", "stat")
    numbers = {one["type"]["coding"][0]["code"]: one["value"] for one in request["identifier"] if "type" in one}
    assert numbers == {"PLAC": "PLF2", "ACSN": "AF2"}
    assert request["subject"]["reference"] == f"Patient/{world.ordered.patient_id}"
    assert request["code"]["coding"][0]["code"] == "MRHEAD"
    assert request["reasonCode"] == [{"text": "cough"}]
    assert [note["text"] for note in request["note"]] == ["smoker", "Body height: 170 cm"]
    assert request["requester"]["display"] == "Wer, Uta"


async def test_a_study_is_read_with_the_way_to_its_images(http: httpx.AsyncClient, world: World) -> None:
    study = await good(http, f"/ImagingStudy/{world.full.uid}")
    assert {"system": "urn:dicom:uid", "value": f"urn:oid:{world.full.uid}"} in study["identifier"]
    assert study["basedOn"][0]["reference"] == f"ServiceRequest/{world.full.order_id}"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (1, 3)
    assert study["series"][0]["modality"]["code"] == "CT"
    assert study["contained"][0]["address"].endswith("/dicomweb")
    assert study["procedureCode"][0]["coding"][0]["code"] == "CTCHEST"


async def test_a_report_is_read_with_its_text(http: httpx.AsyncClient, world: World) -> None:
    report = await good(http, f"/DiagnosticReport/{world.full.report_id}")
    assert report["basedOn"][0]["reference"] == f"ServiceRequest/{world.full.order_id}"
    assert report["imagingStudy"][0]["reference"] == f"ImagingStudy/{world.full.uid}"
    assert report["resultsInterpreter"][0]["display"] == "Strahl, Rosa"
    assert report["conclusion"] == "Normal. v2"
    assert base64.b64decode(report["presentedForm"][0]["data"]).decode() == TEXT
    assert report["code"]["coding"][0]["code"] == "CTCHEST"
    lone = await good(http, f"/DiagnosticReport/{world.lone.report_id}")
    assert lone["code"]["coding"][0] == {"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}
    assert "basedOn" not in lone


async def test_a_version_that_the_client_has_is_not_sent_again(http: httpx.AsyncClient, world: World) -> None:
    path = f"/DiagnosticReport/{world.full.report_id}"
    first = await http.get(path)
    assert first.headers["etag"] == f'W/"{first.json()["meta"]["versionId"]}"'
    assert (await http.get(path, headers={"If-None-Match": first.headers["etag"]})).status_code == 304


PATIENTS = [
    ("identifier=P1", "f"),
    (f"identifier={OWN}GENERAL|P1", "f"),
    ("identifier=GENERAL|P1", "f"),
    ("identifier=OTHER|P1", ""),
    (f"identifier={OWN}GENERAL|", "fol"),
    ("identifier=|P1", ""),
    ("identifier=P1,P2", "fo"),
    ("family=muller", "f"),
    ("family=MU", "fo"),
    ("family:exact=Muster", "o"),
    ("family:exact=muster", ""),
    ("name=maria", "f"),
    ("name:contains=denscheidt", "f"),
    ("given=bo", "o"),
    ("given=%25", ""),
    ("family=mu&given=bo", "o"),
    ("birthdate=1970-04-01", "f"),
    ("birthdate=1970", "f"),
    ("birthdate=ge1970-04-01", "fo"),
    ("birthdate=gt1970-04-01", "o"),
    ("birthdate=lt1970-04-01", "l"),
    ("birthdate=le1970-04", "fl"),
    ("birthdate=ne1970-04-01", "ol"),
    ("birthdate=ge1950&birthdate=lt1960", "l"),
    ("gender=female", "fol"),
    ("gender=http://hl7.org/fhir/administrative-gender|male", ""),
    ("family=mu&gender=female", "fo"),
    ("birthdate=1999-12-31&family=muster", "o"),
    ("address=ulm", "fol"),
    ("address-city:exact=Ulm&family=lonesome", "l"),
    ("address-city:exact=ulm", ""),
    ("address-postalcode=890", "fol"),
    ("address-postalcode=Ulm", ""),
    ("address-country=deu&address-state=ulm", ""),
    ("telecom=07311234", "fol"),
    ("telecom=phone|0731-1234&given=bo", "o"),
    ("telecom=email|07311234", ""),
    ("phone=0731", ""),
    ("active=true", "fol"),
    ("active=false", ""),
    ("nonsense=1&family=muster", "o"),
    ("family=", "fol"),
    ("_lastUpdated=gt2020-01-01", "fol"),
    ("_lastUpdated=lt2020-01-01", ""),
]


@pytest.mark.parametrize(("query", "expected"), PATIENTS)
async def test_patients_are_found(query: str, expected: str, http: httpx.AsyncClient, world: World) -> None:
    ids = {"f": world.full.patient_id, "o": world.ordered.patient_id, "l": world.lone.patient_id}
    assert await found(http, f"Patient?{query}") == {str(ids[letter]) for letter in expected}


ORDERS = [
    ("identifier=PLF1", "f"),
    ("identifier=EHR|PLF1", "f"),
    ("identifier=MAIN|AF2", "o"),
    ("identifier=EHR|AF2", ""),
    ("patient={f}", "f"),
    ("patient=Patient/{f}", "f"),
    ("subject:Patient={o}", "o"),
    ("subject=http://elsewhere/fhir/Patient/{o}", "o"),
    ("patient=unknown", ""),
    ("patient.identifier=GENERAL|P2", "o"),
    ("status=active", "o"),
    ("status=active,completed", "fo"),
    ("status=http://hl7.org/fhir/request-status|completed", "f"),
    ("priority=stat", "o"),
    ("code=CTCHEST", "f"),
    ("code=urn:filmjacket:coding-scheme:L|CTCHEST", "f"),
    (f"code={LOINC}|CTCHEST", ""),
    ("authored=ge2020", "fo"),
    ("authored=lt2020", ""),
    ("occurrence=ge2020", ""),
]


@pytest.mark.parametrize(("query", "expected"), ORDERS)
async def test_orders_are_found(query: str, expected: str, http: httpx.AsyncClient, world: World) -> None:
    exams = {"f": world.full, "o": world.ordered}
    filled = query.format(f=world.full.patient_id, o=world.ordered.patient_id)
    assert await found(http, f"ServiceRequest?{filled}") == {str(exams[letter].order_id) for letter in expected}


STUDIES = [
    ("identifier=urn:dicom:uid|urn:oid:{uid}", "f"),
    ("identifier=urn:oid:{uid}", "f"),
    ("identifier={uid}", "f"),
    ("_id={uid}", "f"),
    ("identifier=MAIN|AF1", "f"),
    ("patient={patient}", "f"),
    ("patient.identifier=P3", "l"),
    ("status=registered", "l"),
    ("status=available", "f"),
    ("started=2026-03-02", "fl"),
    ("started=gt2026-03-02", ""),
    ("started=2026-03", "fl"),
    ("modality=CT", "fl"),
    ("modality=http://dicom.nema.org/resources/ontology/DCM|CT", "fl"),
    ("modality=MR", ""),
    ("basedon=ServiceRequest/{order}", "f"),
]


@pytest.mark.parametrize(("query", "expected"), STUDIES)
async def test_studies_are_found(query: str, expected: str, http: httpx.AsyncClient, world: World) -> None:
    exams = {"f": world.full, "l": world.lone}
    full = world.full
    filled = query.format(uid=full.uid, patient=full.patient_id, order=full.order_id)
    assert await found(http, f"ImagingStudy?{filled}") == {exams[letter].uid for letter in expected}


REPORTS = [
    ("based-on={order}", "f"),
    ("based-on=ServiceRequest/{order}", "f"),
    ("patient={patient}", "f"),
    ("subject=Patient/{patient}", "f"),
    ("patient.identifier=GENERAL|P3", "l"),
    ("status=final", "fl"),
    ("status=preliminary", ""),
    ("identifier=AF1", "f"),
    ("identifier=EHR|PLF1", "f"),
    ("code=CTCHEST", "f"),
    (f"code={LOINC}|18748-4", "l"),
    ("issued=2026-03-02T10:02:00Z", "fl"),
    ("date=ge2026-03-02T12:00:00%2B02:00", "fl"),
    ("date=gt2026-03-02T10:02:00Z", ""),
    ("_id={report}", "f"),
    ("_id=no-uuid", ""),
]


@pytest.mark.parametrize(("query", "expected"), REPORTS)
async def test_reports_are_found(query: str, expected: str, http: httpx.AsyncClient, world: World) -> None:
    exams = {"f": world.full, "l": world.lone}
    full = world.full
    filled = query.format(order=full.order_id, patient=full.patient_id, report=full.report_id)
    assert await found(http, f"DiagnosticReport?{filled}") == {str(exams[letter].report_id) for letter in expected}


async def test_results_come_in_pages_that_lead_to_all(http: httpx.AsyncClient, world: World) -> None:
    address, seen, pages = "/Patient?_count=1&_sort=birthdate&nonsense=1", [], 0
    while address:
        bundle = (await http.get(address)).json()
        assert bundle["total"] == 3
        seen += [entry["resource"]["birthDate"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert "nonsense" not in links["self"]
        address, pages = links.get("next", ""), pages + 1
    assert (seen, pages) == (["1950-01-01", "1970-04-01", "1999-12-31"], 3)
    newest_first = (await http.get("/Patient?_sort=-birthdate&_count=1")).json()
    assert newest_first["entry"][0]["resource"]["birthDate"] == "1999-12-31"
    counted = (await http.get("/Patient?_summary=count")).json()
    assert (counted["total"], "entry" in counted) == (3, False)


async def test_a_search_can_be_posted(http: httpx.AsyncClient, world: World) -> None:
    answer = await http.post("/Patient/_search?gender=female", data={"family": "Müller"})
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == [str(world.full.patient_id)]
    wrong = await http.post("/Patient/_search", json={})
    assert (wrong.status_code, wrong.json()["resourceType"]) == (415, "OperationOutcome")


BAD = [
    ("GET", "/Patient?birthdate=yesterday", 400),
    ("GET", "/Patient?birthdate=xx1970", 400),
    ("GET", "/Patient?birthdate=1970-02-30", 400),
    ("GET", "/Patient?family:phonetic=x", 400),
    ("GET", "/Patient?identifier=a|b|c", 400),
    ("GET", "/Patient?_count=many", 400),
    ("GET", "/Patient?_count=-1", 400),
    ("GET", "/Patient?_sort=shoe-size", 400),
    ("GET", "/Patient?_summary=data", 400),
    ("GET", "/ServiceRequest?patient=Device/1", 400),
    ("GET", "/ServiceRequest?patient:Device=1", 400),
    ("GET", "/Patient/00000000-0000-0000-0000-000000000000", 404),
    ("GET", "/Patient/no-uuid", 404),
    ("GET", "/ImagingStudy/1.2.3", 404),
    ("GET", "/ImagingStudy/00000000-0000-0000-0000-000000000000", 404),
    ("GET", "/ImagingStudy/%00", 404),
    ("GET", "/Medication", 404),
    ("GET", "/Medication/1", 404),
    ("GET", "/", 404),
    ("DELETE", "/Patient/1", 405),
    ("POST", "/Patient", 405),
    ("PUT", "/DiagnosticReport/1", 405),
    ("GET", "/Patient?_format=xml", 406),
    ("GET", "/Patient?name=%00", 400),
]


@pytest.mark.parametrize(("method", "path", "status"), BAD)
async def test_bad_requests_get_an_operation_outcome(
    method: str, path: str, status: int, http: httpx.AsyncClient, world: World
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    check("OperationOutcome", answer.json())
    assert "Traceback" not in answer.text


async def test_unknown_parameters_are_an_error_where_the_client_is_strict(
    http: httpx.AsyncClient, world: World
) -> None:
    strict = {"Prefer": "handling=strict"}
    answer = await http.get("/Patient?shoe-size=45", headers=strict)
    assert answer.status_code == 400
    assert "shoe-size" in answer.json()["issue"][0]["diagnostics"]
    assert (await http.get("/Patient?family=mu", headers=strict)).status_code == 200


async def test_the_capability_statement_says_what_is_here(http: httpx.AsyncClient) -> None:
    statement = await good(http, "/metadata")
    assert statement["fhirVersion"] == "4.0.1"
    resources = {one["type"]: one for one in statement["rest"][0]["resource"]}
    here = {"Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport"}
    assert resources.keys() == here | {"Schedule", "Slot", "Appointment"}, (
        "and what other rooms serve behind one address"
    )
    assert {"code": "create"} in resources["ServiceRequest"]["interaction"]
    assert {"code": "create"} not in resources["Patient"]["interaction"]
    assert [operation["name"] for operation in resources["Patient"]["operation"]] == ["ihe-pix", "match"]
    for name in here:
        for parameter in resources[name]["searchParam"]:
            value = {"date": "2026", "reference": "1"}.get(parameter["type"], "x")
            assert (await http.get(f"/{name}?{parameter['name']}={value}")).status_code == 200


async def test_a_read_waits_for_what_is_on_its_way(http: httpx.AsyncClient, kafka: str, topic_prefix: str) -> None:
    exam = Exam("F9")
    async with Feed(kafka, topic_prefix) as facts:
        reading = asyncio.create_task(http.get(f"/ServiceRequest/{exam.order_id}"))
        await facts.publish(exam.placed())
        assert (await reading).status_code == 200


async def test_patients_are_sorted_by_family_name(http: httpx.AsyncClient, world: World) -> None:
    query = "/Patient?gender=female&birthdate=lt2000-01-01&address-city=Ulm&name=must,l"
    for sort, first, last in (("family", "Lonesome", "Muster"), ("-family", "Muster", "Lonesome")):
        entries = (await good(http, f"{query}&_sort={sort}"))["entry"]
        names = [entry["resource"]["name"][0]["family"] for entry in entries]
        assert (names[0], names[-1]) == (first, last)


async def test_only_the_numbers_of_the_domains_that_are_asked_for_are_told(
    http: httpx.AsyncClient, kafka: str, topic_prefix: str, world: World
) -> None:
    phi = a_patient("P8", "Twofold").model_copy(update={"other_ids": (Identifier(value="N8", issuer="1.2.3.4"),)})
    async with Feed(kafka, topic_prefix) as facts:
        await facts.publish(Exam("F8", patient=phi).registered())
    await eventually(lambda: _numbers(http, "family=twofold", {"P8", "N8"}))
    await _numbers(http, "family=twofold&identifier=urn:oid:1.2.3.4|", {"N8"})
    await _numbers(http, f"family=twofold&identifier=urn:oid:1.2.3.4|,{OWN}GENERAL|", {"P8", "N8"})
    await _numbers(http, "family=twofold&identifier=urn:oid:1.2.3.4|N8", {"P8", "N8"})
    await _numbers(http, "family=muster&identifier=urn:oid:1.2.3.4|", set())


async def _numbers(http: httpx.AsyncClient, query: str, expected: set[str]) -> bool:
    bundle = await good(http, f"/Patient?{query}")
    told = {number["value"] for entry in bundle.get("entry", []) for number in entry["resource"]["identifier"]}
    assert told == expected
    return True

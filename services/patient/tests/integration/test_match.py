"""FHIR R4 Patient/$match: a client describes a person, and hears who that may be."""

import itertools
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import patient_key
from fj_fhir import check
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, ServiceProcess

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
OWN = "urn:filmjacket:issuer:"


@pytest.fixture
async def http(patient: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=patient.http) as client:
        yield client


def a_number() -> str:
    return f"MT{next(NUMBERS):05d}"


def key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))


def message(trigger: str, *segments: str, minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|MT{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|{at}", *segments)).encode()


def pid(number: str, family: str, born: str = "19700412", national: str = "") -> str:
    further = f"~{national}^^^NATIONAL" if national else ""
    return f"PID|1||{number}^^^GENERAL{further}||{family}^Ada||{born}|F|||Hafen 1^^Ulm^^89073||0731 998877{number[-2:]}"


def described(family: str, **said: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": family, "given": ["Ada"]}], "gender": "female", **said}


async def match(http: httpx.AsyncClient, resource: Any, **more: Any) -> httpx.Response:
    values = {"onlyCertainMatches": "valueBoolean", "count": "valueInteger"}
    items = [{"name": "resource", "resource": resource}, *({"name": n, values[n]: v} for n, v in more.items())]
    body = {"resourceType": "Parameters", "parameter": items}
    return await http.post("/fhir/Patient/$match", json=body)


async def found(http: httpx.AsyncClient, resource: Any, **more: Any) -> list[tuple[str, str]]:
    """Ids and grades, in the order of the answer."""
    answer = await match(http, resource, **more)
    assert answer.status_code == 200, answer.text
    bundle = check("Bundle", answer.json())
    entries = bundle.get("entry", [])
    assert (bundle["type"], bundle["total"]) == ("searchset", len(entries))
    scores = [entry["search"]["score"] for entry in entries]
    assert all(0 <= score <= 1 for score in scores)
    for entry in entries:
        assert entry["fullUrl"].endswith(f"/fhir/Patient/{entry['resource']['id']}")
        assert (entry["search"]["mode"], entry["search"]["extension"][0]["url"]) == ("match", GRADE)
    return [(entry["resource"]["id"], entry["search"]["extension"][0]["valueCode"]) for entry in entries]


async def test_a_person_is_found_by_name_and_birth_date_with_slips_and_by_number(
    adt: MllpClient, http: httpx.AsyncClient
) -> None:
    one, national = a_number(), a_number()
    await adt.send(message("A28", pid(one, "Ravnskov", national=national)))
    where = {"address": [{"line": ["Hafen 1"], "postalCode": "89073"}]}
    assert await found(http, described("Ravnskov", birthDate="1970-04-12", **where)) == [(key(one), "certain")]
    assert await found(http, described("Ravnskow", birthDate="1970-12-04", **where)) == [(key(one), "probable")]
    number = {"identifier": [{"system": f"{OWN}NATIONAL", "value": national}]}
    assert await found(http, {"resourceType": "Patient", **number}) == [(key(one), "certain")]
    assert await found(http, described("Ravnskov", birthDate="1985-01-01", **number)) == [(key(one), "probable")]
    assert await found(http, described("Nobody", birthDate="1985-01-01")) == []


async def test_only_the_one_without_a_doubt_is_certain(adt: MllpClient, http: httpx.AsyncClient) -> None:
    one, other = a_number(), a_number()
    where = {"address": [{"line": ["Hafen 1"], "postalCode": "89073"}]}
    asked = described("Skovgaard", birthDate="1981-05-23", **where)
    await adt.send(message("A28", pid(one, "Skovgaard", "19810523")))
    assert await found(http, asked, onlyCertainMatches=True) == [(key(one), "certain")]
    await adt.send(message("A28", pid(other, "Skovgaard", "19810523")))
    assert await found(http, asked, onlyCertainMatches=True) == []
    assert len(await found(http, asked)) == 2
    assert len(await found(http, asked, count=1)) == 1


async def test_who_was_merged_away_is_found_as_the_survivor(adt: MllpClient, http: httpx.AsyncClient) -> None:
    gone, survivor = a_number(), a_number()
    await adt.send(message("A28", pid(gone, "Tholstrup")))
    await adt.send(message("A28", pid(survivor, "Tholstrup")))
    await adt.send(message("A40", pid(survivor, "Tholstrup"), f"MRG|{gone}^^^GENERAL", minute=5))
    asked = {"resourceType": "Patient", "identifier": [{"system": f"{OWN}GENERAL", "value": gone}]}
    assert await found(http, asked) == [(key(survivor), "certain")]


@pytest.mark.parametrize(
    ("resource", "more", "says"),
    [
        (None, {}, "resource"),
        ({"resourceType": "Practitioner"}, {}, "Patient"),
        ({"resourceType": "Patient", "birthDate": "yesterday"}, {}, "birthDate"),
        ({"resourceType": "Patient"}, {"count": 0}, "count"),
        ({"resourceType": "Patient"}, {"count": "many"}, "valueInteger"),
        ({"resourceType": "Patient"}, {"onlyCertainMatches": "perhaps"}, "valueBoolean"),
    ],
)
async def test_what_is_no_question_is_answered_with_an_outcome(
    http: httpx.AsyncClient, resource: Any, more: dict[str, Any], says: str
) -> None:
    answer = await match(http, resource, **more)
    assert answer.status_code in (400, 422)
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert says in answer.text

"""The other numbers of a person: IHE PIXm, ITI-83."""

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
PIX = "/fhir/Patient/$ihe-pix"
OWN = "urn:filmjacket:issuer:"


@pytest.fixture
async def http(patient: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=patient.http) as client:
        yield client


def a_number() -> str:
    return f"X{next(NUMBERS):05d}"


def patient_id(number: str, issuer: str = "GENERAL") -> str:
    return f"Patient/{patient_key(UUID(PATIENT_NAMESPACE), issuer, number)}"


def pid(*numbers: str) -> str:
    return f"PID|1||{'~'.join(numbers)}||Example^Ada||19700401|F"


def message(trigger: str, *segments: str) -> bytes:
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|20260302091500||ADT^{trigger}|X{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|20260302091500", *segments)).encode()


async def crossed(http: httpx.AsyncClient, source: str, *targets: str) -> tuple[set[str], set[str]]:
    """Numbers and patients of a good answer."""
    query = {"sourceIdentifier": source, "targetSystem": targets}
    answer = await http.get(PIX, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    return told(answer.json())


def told(body: dict[str, Any]) -> tuple[set[str], set[str]]:
    given = check("Parameters", body).get("parameter", [])
    numbers = [item["valueIdentifier"] for item in given if item["name"] == "targetIdentifier"]
    patients = [item["valueReference"]["reference"] for item in given if item["name"] == "targetId"]
    assert len(given) == len(numbers) + len(patients)
    return {f"{number['system'].removeprefix(OWN)}|{number['value']}" for number in numbers}, set(patients)


async def test_numbers_of_one_person_in_several_hospitals_lead_to_each_other(
    adt: MllpClient, http: httpx.AsyncClient
) -> None:
    one, other, national = a_number(), a_number(), a_number()
    await adt.send(message("A28", pid(f"{one}^^^GENERAL", f"{national}^^^NATIONAL")))
    await adt.send(message("A28", pid(f"{other}^^^SOUTH&1.2.3.4&ISO", f"{national}^^^NATIONAL")))
    both = {patient_id(one), patient_id(other, "SOUTH")}
    everything = {f"SOUTH|{other}", f"NATIONAL|{national}"}
    assert await crossed(http, f"{OWN}GENERAL|{one}") == (everything, both)
    assert await crossed(http, f"{OWN}GENERAL|{one}", "SOUTH") == ({f"SOUTH|{other}"}, {patient_id(other, "SOUTH")})
    assert await crossed(http, f"NATIONAL|{national}", f"{OWN}GENERAL", f"{OWN}SOUTH") == (
        {f"GENERAL|{one}", f"SOUTH|{other}"},
        both,
    )
    identifier = {"system": f"{OWN}GENERAL", "value": one}
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "sourceIdentifier", "valueIdentifier": identifier},
            {"name": "targetSystem", "valueUri": f"{OWN}SOUTH"},
        ],
    }
    posted = await http.post(PIX, json=body)
    assert told(posted.json()) == ({f"SOUTH|{other}"}, {patient_id(other, "SOUTH")})


async def test_a_number_that_was_merged_leads_to_the_survivor_and_is_told_no_more(
    adt: MllpClient, http: httpx.AsyncClient
) -> None:
    prior, survivor, linked = a_number(), a_number(), a_number()
    await adt.send(message("A24", pid(f"{prior}^^^GENERAL"), pid(f"{linked}^^^SOUTH")))
    await adt.send(message("A40", pid(f"{survivor}^^^GENERAL"), f"MRG|{prior}^^^GENERAL"))
    both = {patient_id(survivor), patient_id(linked, "SOUTH")}
    assert await crossed(http, f"GENERAL|{prior}") == ({f"GENERAL|{survivor}", f"SOUTH|{linked}"}, both)
    assert await crossed(http, f"SOUTH|{linked}") == ({f"GENERAL|{survivor}"}, both)


async def test_who_has_no_other_number_has_an_answer_with_their_patient_alone(
    adt: MllpClient, http: httpx.AsyncClient
) -> None:
    number = a_number()
    await adt.send(message("A28", pid(f"{number}^^^GENERAL")))
    assert await crossed(http, f"GENERAL|{number}") == (set(), {patient_id(number)})
    assert await crossed(http, f"GENERAL|{number}", "MAIN") == (set(), set())


async def test_a_further_number_of_several_persons_tells_of_none(adt: MllpClient, http: httpx.AsyncClient) -> None:
    one, other, shared = a_number(), a_number(), a_number()
    for number in (one, other):
        await adt.send(message("A28", pid(f"{number}^^^GENERAL", f"{shared}^^^GENERAL")))
    assert (await http.get(PIX, params={"sourceIdentifier": f"GENERAL|{shared}"})).status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sourceIdentifier=GENERAL|nobody", (404, "not-found", "sourceIdentifier Patient Identifier not found")),
        ("sourceIdentifier=NOWHERE|1", (400, "code-invalid", "sourceIdentifier Assigning Authority not found")),
        ("sourceIdentifier=GENERAL|known&targetSystem=NOWHERE", (403, "code-invalid", "targetSystem not found")),
        (
            "sourceIdentifier=GENERAL|known&targetSystem=GENERAL,NOWHERE",
            (403, "code-invalid", "targetSystem not found"),
        ),
        ("sourceIdentifier=known", (400, "value", None)),
        ("sourceIdentifier=|known", (400, "value", None)),
        ("sourceIdentifier=GENERAL|", (400, "value", None)),
        ("sourceIdentifier=GENERAL|a%00", (400, "value", None)),
        ("targetSystem=GENERAL", (400, "required", None)),
        ("sourceIdentifier=GENERAL|1&sourceIdentifier=GENERAL|2", (400, "required", None)),
    ],
)
async def test_what_cannot_be_answered_is_refused_in_the_words_of_the_profile(
    query: str, expected: tuple[int, str, str | None], adt: MllpClient, http: httpx.AsyncClient
) -> None:
    await adt.send(message("A28", pid("known^^^GENERAL")))
    status, code, diagnostics = expected
    answer = await http.get(f"{PIX}?{query}")
    assert answer.status_code == status, answer.text
    [issue] = check("OperationOutcome", answer.json())["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert diagnostics is None or issue["diagnostics"] == diagnostics

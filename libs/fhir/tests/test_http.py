"""What a client meets that speaks to a FHIR router over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fj_fhir import (
    FhirError,
    HumanName,
    Json,
    Meta,
    NoSuchResource,
    Patient,
    created_response,
    fhir_router,
    read_body,
    refuse_the_rest,
    resource_response,
)
from httpx import ASGITransport, AsyncClient

UPDATED = datetime(2026, 3, 4, 5, 6, 7, 890000, UTC)


class _DatabaseAway(Exception):
    pass


def _patient() -> Json:
    name = HumanName("Muster", ("Ada",))
    return Patient(id="p1", meta=Meta("v7", UPDATED), name=name, birth_date=date(1970, 1, 2)).to_json()


def _application() -> FastAPI:
    router = fhir_router(away=(_DatabaseAway,))

    @router.get("/Patient/{patient_id}")
    async def read(patient_id: str, request: Request) -> Response:
        if patient_id != "p1":
            raise NoSuchResource("Patient", patient_id)
        return resource_response(request, _patient())

    @router.post("/Patient")
    async def create(request: Request) -> Response:
        await read_body(request, limit=100)
        return created_response("http://here/fhir/Patient/p1", _patient())

    @router.get("/Broken")
    async def broken(how: str, number: int = Query(default=0)) -> Response:
        raise {
            "away": _DatabaseAway("secret"),
            "bug": RuntimeError("secret"),
            "login": HTTPException(401, "a token is needed", {"WWW-Authenticate": "Bearer"}),
        }[how]

    refuse_the_rest(router, ["Patient"])
    app = FastAPI()
    app.include_router(router)
    return app


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(_application()), base_url="http://here/fhir") as client:
        yield client


async def test_a_read_carries_its_version_and_is_not_sent_twice(client: AsyncClient) -> None:
    answer = await client.get("/Patient/p1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert answer.headers["etag"] == 'W/"v7"'
    assert answer.headers["last-modified"] == "Wed, 04 Mar 2026 05:06:07 GMT"
    for header in ({"If-None-Match": 'W/"v7"'}, {"If-Modified-Since": answer.headers["last-modified"]}):
        assert (await client.get("/Patient/p1", headers=header)).status_code == 304
    for header in ({"If-None-Match": 'W/"v6"'}, {"If-Modified-Since": "Wed, 04 Mar 2026 05:06:06 GMT"}):
        assert (await client.get("/Patient/p1", headers=header)).status_code == 200


async def test_what_was_created_has_an_address_and_a_version(client: AsyncClient) -> None:
    answer = await client.post("/Patient", json={})
    assert answer.status_code == 201
    assert answer.headers["location"] == "http://here/fhir/Patient/p1"
    assert answer.headers["etag"] == 'W/"v7"'


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json", 200),
        ("text/html, application/xhtml+xml, */*;q=0.8", 200),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("application/fhir+xml", 406),
        ("text/html", 406),
    ],
)
async def test_only_json_is_spoken(client: AsyncClient, accept: str, status: int) -> None:
    answer = await client.get("/Patient/p1", headers={"Accept": accept})
    assert answer.status_code == status
    if status == 406:
        _is_outcome(answer.json(), "not-supported")


async def test_the_parameter_format_counts_before_accept(client: AsyncClient) -> None:
    assert (await client.get("/Patient/p1?_format=xml", headers={"Accept": "application/json"})).status_code == 406
    assert (await client.get("/Patient/p1?_format=json", headers={"Accept": "text/html"})).status_code == 200
    assert (await client.get("/Patient/p1?_format=application/fhir+json")).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/fhir+json", 400, "structure"),
        (b"\xff\xfe", "application/fhir+json", 400, "structure"),
        (b"[1]", "application/json; charset=utf-8", 400, "structure"),
        (b"[" * 90, "application/json", 400, "structure"),
        (b"<Patient/>", "application/fhir+xml", 415, "not-supported"),
        (b"{}", "", 415, "not-supported"),
        (b'{"a": "%s"}' % (b"x" * 200), "application/json", 413, "too-long"),
    ],
)
async def test_a_bad_body_is_refused_in_fhir_terms(
    client: AsyncClient, content: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await client.post("/Patient", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    _is_outcome(answer.json(), code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/Patient/p2", 404, "not-found"),
        ("GET", "/Nonsense", 404, "not-supported"),
        ("GET", "/", 404, "not-supported"),
        ("DELETE", "/Patient/p1", 405, "not-supported"),
        ("GET", "/Broken?how=away", 503, "transient"),
        ("GET", "/Broken?how=bug", 500, "exception"),
        ("GET", "/Broken?how=login", 401, "login"),
        ("GET", "/Broken?how=bug&number=x", 400, "value"),
    ],
)
async def test_every_error_is_an_operation_outcome(
    client: AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert "secret" not in answer.text
    _is_outcome(answer.json(), code)


def test_an_error_names_its_status_and_says_why() -> None:
    error = NoSuchResource("Patient", "7")
    assert isinstance(error, FhirError)
    assert error.status == 404
    assert str(error) == "no Patient has the id '7'"


def _is_outcome(body: Json, code: str) -> None:
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"][0]["code"] == code
    assert body["issue"][0]["diagnostics"]

"""The resources that are served, and the terms that they are made of."""

from datetime import UTC, date, datetime

import pytest
from fj_fhir import (
    Address,
    Capability,
    Coding,
    DiagnosticReport,
    HumanName,
    Identifier,
    ImagingStudy,
    InvalidResource,
    Issue,
    IssueCode,
    Kind,
    Meta,
    Parameter,
    Patient,
    Reference,
    SearchSpec,
    Series,
    ServiceRequest,
    Uid,
    capability_statement,
    check,
    code_system_of,
    issuer_of,
    operation_outcome,
    scheme_of,
    system_of,
)
from hypothesis import given
from hypothesis import strategies as st

META = Meta("3", datetime(2026, 3, 2, 10, 0, 0, 123_000, tzinfo=UTC))
SUBJECT = Reference("Patient", "p1", Identifier("77", "HOSP", "MR"), "Muster, Ada")


@pytest.mark.parametrize(
    ("issuer", "system"),
    [
        ("1.2.276.0.7", "urn:oid:1.2.276.0.7"),
        ("http://hosp.example/mrn", "http://hosp.example/mrn"),
        ("HOSP", "urn:filmjacket:issuer:HOSP"),
        ("Städtische Klinik/A", "urn:filmjacket:issuer:St%C3%A4dtische%20Klinik%2FA"),
        (None, None),
    ],
)
def test_an_issuer_has_a_system_and_comes_back_from_it(issuer: str | None, system: str | None) -> None:
    assert system_of(issuer) == system
    assert issuer_of(system) == issuer


@pytest.mark.parametrize(
    ("scheme", "system"),
    [
        ("LN", "http://loinc.org"),
        ("SCT", "http://snomed.info/sct"),
        ("99LOCAL", "urn:filmjacket:coding-scheme:99LOCAL"),
        ("http://codes.example", "http://codes.example"),
        (None, None),
    ],
)
def test_a_coding_scheme_has_a_code_system_and_comes_back_from_it(scheme: str | None, system: str | None) -> None:
    assert code_system_of(scheme) == system
    assert scheme_of(system) == scheme


@given(st.text(min_size=1))
def test_any_name_of_an_issuer_comes_back(name: str) -> None:
    if not name.startswith("urn:"):
        assert issuer_of(system_of(name)) == name


def test_a_patient() -> None:
    patient = Patient(
        id="p1",
        meta=META,
        identifiers=(Identifier("77", "HOSP", "MR"),),
        name=HumanName("Muster", ("Ada",), prefix="Dr."),
        gender="female",
        birth_date=date(1970, 4, 1),
        address=Address(city="Ulm"),
        phone="1",
    ).to_json()
    assert patient["meta"]["versionId"] == "3"
    assert patient["identifier"][0]["assigner"] == {"display": "HOSP"}
    assert patient["birthDate"] == "1970-04-01"
    bare = Patient(id="p2", meta=META, address=Address()).to_json()
    assert bare.keys() == {"resourceType", "id", "meta", "active"}


def test_a_service_request() -> None:
    request = ServiceRequest(
        id="o1",
        meta=META,
        status="active",
        code=Coding("CT1", "L", "CT"),
        subject=SUBJECT,
        priority="stat",
        modality="CT",
        occurrence=date(2026, 3, 2),
        requester=Reference("Practitioner", display="Wer, Uta"),
        notes=("n",),
    ).to_json()
    assert request["subject"]["reference"] == "Patient/p1"
    assert request["requester"] == {"type": "Practitioner", "display": "Wer, Uta"}
    assert request["occurrenceDateTime"] == "2026-03-02"


def test_an_imaging_study_names_the_way_to_its_images() -> None:
    study = ImagingStudy(
        id="1.2.3",
        meta=META,
        identifiers=(Uid("1.2.3"),),
        status="available",
        subject=SUBJECT,
        series=(Series("1.2.3.1", "CT", 1), Series("1.2.3.2")),
        dicomweb="http://here/dicomweb",
    ).to_json()
    assert study["endpoint"] == [{"reference": "#dicomweb"}]
    assert [one["modality"]["code"] for one in study["series"]] == ["CT", "OT"]
    assert study["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]


def test_a_report() -> None:
    report = DiagnosticReport(
        id="r1", meta=META, status="final", code=Coding("18748-4", "LN", "x"), issued=META.last_updated, text="a\nb"
    ).to_json()
    assert report["presentedForm"][0]["contentType"] == "text/plain; charset=utf-8"
    assert "subject" not in report


def test_what_breaks_r4_is_not_built() -> None:
    with pytest.raises(InvalidResource, match="status"):
        DiagnosticReport(id="r1", meta=META, status="done", code=Coding("1", "LN")).to_json()
    with pytest.raises(InvalidResource, match="id"):
        Patient(id="no good", meta=META).to_json()
    with pytest.raises(ValueError, match="offset"):
        Patient(id="p", meta=Meta("1", datetime(2026, 1, 1))).to_json()  # noqa: DTZ001 - the missing offset is the case


def test_a_capability_statement() -> None:
    spec = SearchSpec("Patient", (Parameter("name", Kind.STRING, "any part of the name"),))
    statement = capability_statement(
        base="http://here/fhir",
        software="Filmjacket",
        version="1",
        since=META.last_updated,
        capabilities=[Capability(spec)],
    )
    assert statement["fhirVersion"] == "4.0.1"
    [resource] = statement["rest"][0]["resource"]
    assert [one["name"] for one in resource["searchParam"]] == ["_id", "_lastUpdated", "name"]


@pytest.mark.parametrize("code", list(IssueCode))
def test_every_issue_code_is_one_of_r4(code: IssueCode) -> None:
    assert check("OperationOutcome", operation_outcome([Issue(code, "words", "Patient.name")]))


def test_references_of_a_bundles_entries_are_their_own() -> None:
    inner = {"resourceType": "Patient", "id": "p", "generalPractitioner": [{"reference": "#d"}]}
    practitioner = {"resourceType": "Practitioner", "id": "d"}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": inner}]}
    with pytest.raises(InvalidResource, match="not contained"):
        check("Bundle", bundle)
    bundle["entry"] = [{"resource": {**inner, "contained": [practitioner]}}]
    assert check("Bundle", bundle)

"""Reading what placers post."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fj_fhir import Coding, HumanName, Identifier, InvalidResource, NotProcessable, parse_service_request, read_json
from hypothesis import given, settings
from hypothesis import strategies as st

V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "77"}, {"system": "http://ssn.example", "value": "8"}],
    "name": [
        {"use": "maiden", "family": "Früher"},
        {"use": "official", "family": "Muster", "given": ["Ada", "Eva"], "prefix": ["Dr."]},
    ],
    "birthDate": "1970-04-01",
    "gender": "female",
    "telecom": [{"system": "email", "value": "a@example.org"}, {"system": "phone", "value": "0731 1"}],
    "address": [{"line": ["Hauptstr. 1", "2. OG"], "city": "Ulm", "postalCode": "89073"}],
}
ORDER: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "contained": [
        PATIENT,
        {"resourceType": "Practitioner", "id": "d", "identifier": [{"value": "D1"}], "name": [{"family": "Wer"}]},
    ],
    "identifier": [
        {"type": {"coding": [{"system": V2, "code": "PLAC"}]}, "system": "urn:filmjacket:issuer:EHR", "value": "PL1"},
        {"type": {"coding": [{"system": V2, "code": "ACSN"}]}, "value": "A1"},
        {"system": "urn:dicom:uid", "value": "urn:oid:1.2.840.1"},
    ],
    "status": "active",
    "intent": "order",
    "priority": "stat",
    "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "CT"}], "text": "CT chest"},
    "orderDetail": [{"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}],
    "subject": {"reference": "#p"},
    "encounter": {"identifier": {"value": "V1"}},
    "occurrenceDateTime": "2026-03-02T10:00:00+01:00",
    "authoredOn": "2026-03-01",
    "requester": {"reference": "#d"},
    "performer": [{"display": "Radiology"}],
    "locationCode": [{"text": "Ward 3"}],
    "reasonCode": [{"text": "cough"}, {"coding": [{"code": "R05", "system": "http://hl7.org/fhir/sid/icd-10"}]}],
    "note": [{"text": "no contrast"}],
}


NO_REQUESTER = {"requester": {"display": "Wer"}}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ORDER.items() if key != name}


def test_everything_that_an_order_needs_is_read() -> None:
    order = parse_service_request(ORDER)
    assert (order.status, order.intent, order.priority) == ("active", "order", "stat")
    assert order.code == Coding("24627-2", "LN", "CT chest")
    assert order.modality == "CT"
    assert order.placer == Identifier("PL1", "EHR", "PLAC")
    assert order.accession == Identifier("A1", None, "ACSN")
    assert order.study_instance_uid == "1.2.840.1"
    assert order.occurrence == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert order.authored_on == date(2026, 3, 1)
    assert order.reason == "cough; R05"
    assert order.notes == ("no contrast",)
    assert order.visit_number == Identifier("V1")
    assert (order.performer, order.location) == ("Radiology", Coding(None, None, "Ward 3"))


def test_the_contained_patient_is_the_subject() -> None:
    subject = parse_service_request(ORDER).subject
    assert subject.identifiers == (Identifier("77", "1.2.3"), Identifier("8", "http://ssn.example"))
    assert subject.name == HumanName("Muster", ("Ada", "Eva"), "Dr.")
    assert (subject.birth_date, subject.gender, subject.phone) == (date(1970, 4, 1), "female", "0731 1")
    assert subject.address is not None
    assert subject.address.line == "Hauptstr. 1, 2. OG"


@pytest.mark.parametrize(
    ("subject", "reference", "number"),
    [
        ({"reference": "Patient/abc"}, "abc", None),
        ({"reference": "http://here/fhir/Patient/abc"}, "abc", None),
        ({"identifier": {"value": "5", "system": "urn:oid:1.2"}}, None, "5"),
    ],
)
def test_a_subject_may_be_named_otherwise(subject: dict[str, Any], reference: str | None, number: str | None) -> None:
    found = parse_service_request({**ORDER, "subject": subject}).subject
    assert found.reference == reference
    assert [one.value for one in found.identifiers] == ([number] if number else [])


def test_who_asks_is_read_from_words_or_from_what_is_contained() -> None:
    requester = parse_service_request(ORDER).requester
    assert requester is not None
    assert (requester.identifier, requester.name.family) == (Identifier("D1"), "Wer")
    by_words = parse_service_request({**ORDER, "requester": {"display": "Wer, Uta"}}).requester
    assert by_words is not None
    assert by_words.name == HumanName("Wer", ("Uta",))
    assert parse_service_request(without("requester")).requester is None


def test_what_is_left_out_has_its_default() -> None:
    left = {key: value for key, value in ORDER.items() if key not in {"priority", "occurrenceDateTime"}}
    order = parse_service_request({**left, "occurrencePeriod": {"start": "2026-03"}})
    assert order.priority == "routine"
    assert order.occurrence == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("change", "expression", "code"),
    [
        ({"status": "bogus"}, "ServiceRequest.status", "code-invalid"),
        ({"priority": "soon"}, "ServiceRequest.priority", "code-invalid"),
        ({"intent": None}, "ServiceRequest.intent", "structure"),
        ({"colour": "red"}, "ServiceRequest.colour", "structure"),
        ({"subject": {}}, "ServiceRequest.subject", "structure"),
        ({"subject": {"reference": "#q"}}, "ServiceRequest.subject.reference", "value"),
        ({"code": {"coding": [{"code": 7}]}}, "ServiceRequest.code.coding[0].code", "value"),
        ({"identifier": {"value": "1"}}, "ServiceRequest.identifier", "value"),
        ({"occurrenceDateTime": "2026-02-30"}, "ServiceRequest.occurrenceDateTime", "value"),
        ({"occurrenceDateTime": "2026-03-02T10:00:00"}, "ServiceRequest.occurrenceDateTime", "value"),
        ({"contained": [{"resourceType": "Dragon", "id": "p"}]}, "ServiceRequest.contained[0]", "structure"),
        (
            {"contained": [{**PATIENT, "gender": "x"}], "requester": {"display": "Wer"}},
            "ServiceRequest.contained[0].gender",
            "code-invalid",
        ),
        ({"contained": [7]}, "ServiceRequest.contained[0]", "structure"),
        ({"resourceType": "Patient"}, "resourceType", "structure"),
        ({"id": "x" * 65}, "ServiceRequest.id", "value"),
    ],
)
def test_what_is_not_r4_is_refused_with_the_place(change: dict[str, Any], expression: str, code: str) -> None:
    with pytest.raises(InvalidResource) as refused:
        parse_service_request({**ORDER, **change})
    assert refused.value.status == 400
    assert [(issue.expression, issue.code) for issue in refused.value.issues] == [(expression, code)]


def test_a_missing_element_is_named() -> None:
    with pytest.raises(InvalidResource) as refused:
        parse_service_request(without("subject"))
    assert refused.value.issues[0].expression == "ServiceRequest.subject"
    assert refused.value.issues[0].code == "required"


@pytest.mark.parametrize(
    ("change", "expression"),
    [
        ({"code": {"text": "something"}}, "ServiceRequest.code.coding[0].code"),
        ({"subject": {"display": "that man"}}, "ServiceRequest.subject"),
        ({"contained": [{"resourceType": "Patient", "id": "p"}], "requester": None}, "ServiceRequest.subject"),
        ({"intent": "plan"}, "ServiceRequest.intent"),
        ({"doNotPerform": True}, "ServiceRequest.doNotPerform"),
    ],
)
def test_good_r4_that_is_no_order_is_refused_otherwise(change: dict[str, Any], expression: str) -> None:
    body = {key: value for key, value in {**ORDER, **change}.items() if value is not None}
    with pytest.raises(NotProcessable) as refused:
        parse_service_request(body)
    assert refused.value.status == 422
    assert [issue.expression for issue in refused.value.issues] == [expression]


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
NAMES = st.sampled_from([*ORDER, "coding", "value", "reference"])


@given(
    st.sampled_from(["subject", "contained", "code", "identifier"]),
    st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)),
)
@settings(max_examples=60, deadline=None)
def test_any_json_is_read_or_refused(name: str, value: Any) -> None:
    with suppress(InvalidResource, NotProcessable):
        parse_service_request({**ORDER, name: value})


@given(st.binary())
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    with suppress(InvalidResource):
        assert isinstance(read_json(raw), dict)


def test_depth_does_no_harm() -> None:
    with pytest.raises(InvalidResource):
        read_json(b"[" * 100_000)
    deep = json.loads('{"a":' * 500 + "1" + "}" * 500)
    with pytest.raises(InvalidResource):
        parse_service_request({**ORDER, "code": deep})

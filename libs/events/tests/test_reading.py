"""Reading and writing facts: what fits, and what is refused by name."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from fj_events import (
    MAX_BODY,
    BadBody,
    BadEnvelope,
    Envelope,
    Identifier,
    OrderCancelled,
    PatientPhi,
    PatientRegistered,
    Priority,
    Source,
    TooBig,
    UnknownType,
    from_body,
    patient_key,
    to_body,
)
from pydantic import ValidationError


def a_patient(**phi: str) -> PatientRegistered:
    return PatientRegistered(
        site="MAIN", patient_id=uuid4(), provisional=False, source=Source.HL7, patient=PatientPhi(**phi)
    )


def test_an_enum_value_of_a_newer_writer_is_read_as_it_is() -> None:
    assert Priority("BEFORE-LUNCH").value == "BEFORE-LUNCH"
    assert Priority("BEFORE-LUNCH").rank == Priority.ROUTINE.rank
    assert Priority("STAT") is Priority.STAT
    read = from_body("patient.registered.v1", to_body(a_patient()).replace(b'"HL7"', b'"PIGEON"'))
    assert isinstance(read, PatientRegistered)
    assert read.source.value == "PIGEON"


def test_a_misspelt_field_is_refused_in_code() -> None:
    with pytest.raises(ValidationError, match="famly_name"):
        PatientPhi(famly_name="X")  # type: ignore[call-arg]  # the misspelling is the test


def test_a_bad_body_is_refused_with_the_names_of_its_fields_and_none_of_its_values() -> None:
    with pytest.raises(BadBody) as refusal:
        from_body("order.cancelled.v1", b'{"site":"MAIN","order_id":"Jane Doe"}')
    assert "order_id" in str(refusal.value)
    assert "Jane" not in str(refusal.value)
    with pytest.raises(BadBody):
        from_body("order.cancelled.v1", b"\xff not json")


def test_an_unknown_type_is_told_apart_from_a_bad_body() -> None:
    with pytest.raises(UnknownType, match=r"order\.teleported\.v1"):
        from_body("order.teleported.v1", b"{}")


def test_no_event_exceeds_512_kib() -> None:
    with pytest.raises(TooBig, match=r"patient\.registered\.v1"):
        to_body(a_patient(family_name="x" * MAX_BODY))


def test_an_envelope_comes_back_from_its_headers() -> None:
    envelope = Envelope(
        id=uuid4(),
        type=OrderCancelled.fact_type,
        source="/filmjacket/order",
        time=datetime.now(UTC),
        subject="k",
        site="MAIN",
        sequence=7,
        causation_id=uuid4(),
        traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )
    assert Envelope.from_headers(envelope.to_headers()) == envelope


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_id", b"no-uuid"),
        ("ce_time", b"2026-01-01T00:00:00"),
        ("ce_time", b"noon"),
        ("ce_sequence", b"0"),
        ("ce_sequence", b"one"),
        ("ce_type", "\u00e4".encode()),
    ],
)
def test_a_header_that_does_not_fit_is_named(name: str, value: bytes) -> None:
    headers = dict(Envelope(uuid4(), "t.v1", "/filmjacket/x", datetime.now(UTC), "k", "MAIN", 1).to_headers())
    with pytest.raises(BadEnvelope, match=name):
        Envelope.from_headers((headers | {name: value}).items())
    del headers[name]
    with pytest.raises(BadEnvelope, match=name):
        Envelope.from_headers(headers.items())


def test_the_same_number_of_two_issuers_is_two_patients() -> None:
    namespace = UUID(int=5)
    assert patient_key(namespace, "NORTH", "1") == patient_key(namespace, "NORTH", "1")
    assert patient_key(namespace, "NORTH", "1") != patient_key(namespace, "SOUTH", "1")
    assert patient_key(namespace, "A", "B1") != patient_key(namespace, "AB", "1")
    assert str(Identifier(value="1", issuer="NORTH")) == "1^NORTH"

"""The facts that tell of a pack."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from fj_events import MAX_BODY, ObjectRef, PatientPhi, SeriesAttributes, Source, StudyAttributes, to_body
from fj_packs.pack import INSTANCES_PER_FACT, Identity, Member, Origin, Place, SeriesHead, facts_of

LONG = "1." + "2" * 62
NAMESPACE = UUID(int=1)
PACK = ObjectRef(bucket="b", key="k", size=2**40, sha256="a" * 64)
HEAD = SeriesHead(
    PatientPhi(family_name="x" * 1024),
    None,
    StudyAttributes(description="x" * 1024),
    SeriesAttributes(description="x" * 1024),
)
AT = datetime(2026, 3, 2, tzinfo=UTC)


def a_member(series: str, nth: int) -> Member:
    """One whose every field is as long as it can be."""
    place = Place(series, LONG, 2**40, 2**40, 65536, "a" * 32, AT + timedelta(seconds=nth))
    return Member(place, "a" * 64, Identity(LONG, LONG, series, LONG, LONG), 2**31, 65535, 65535, 2**31)


def test_a_long_series_is_told_in_several_facts_none_of_them_too_big() -> None:
    members = [a_member(LONG, nth) for nth in range(INSTANCES_PER_FACT * 2 + 1)]
    facts = list(facts_of(PACK, Origin(Source.DIMSE, "MAIN"), members, {LONG: HEAD}, NAMESPACE))
    assert [len(fact.instances) for fact in facts] == [INSTANCES_PER_FACT, INSTANCES_PER_FACT, 1]
    assert max(len(to_body(fact)) for fact in facts) < MAX_BODY
    assert facts[0].received_at == members[INSTANCES_PER_FACT - 1].place.received_at


def test_no_patient_number_no_patient_id() -> None:
    (fact,) = facts_of(PACK, Origin(Source.DIMSE, "MAIN"), [a_member("1.2", 0)], {"1.2": HEAD}, NAMESPACE)
    assert fact.patient_id is None
    assert fact.series_instance_uid == "1.2"

"""What is accepted."""

import pytest
from fj_packs.pack import Identity, is_uid
from ingest_service.domain.reception import Expected, NotAccepted, Reason, check

GOOD = Identity("1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.840.10008.1.2.1")


def test_a_whole_identity_is_accepted() -> None:
    check(GOOD, Expected("1.2.1", "1.2.2", "1.2.4"))
    check(GOOD, Expected())


@pytest.mark.parametrize("field", ["sop_class_uid", "sop_instance_uid", "series_instance_uid", "study_instance_uid"])
@pytest.mark.parametrize("value", ["", "1.2.x", "1..2", "1.2.", "1." * 40 + "1", "1/2"])
def test_a_missing_or_malformed_identifier_is_not_understood(field: str, value: str) -> None:
    values = {name: getattr(GOOD, name) for name in GOOD.__slots__} | {field: value}
    with pytest.raises(NotAccepted) as refusal:
        check(Identity(**values), Expected())
    assert refusal.value.reason is Reason.NOT_UNDERSTOOD
    assert len(refusal.value.comment) <= 64


@pytest.mark.parametrize("expected", [Expected("1.9"), Expected(sop_instance_uid="1.9"), Expected(None, None, "1.9")])
def test_what_the_message_did_not_announce_is_a_mismatch(expected: Expected) -> None:
    with pytest.raises(NotAccepted) as refusal:
        check(GOOD, expected)
    assert refusal.value.reason is Reason.MISMATCH
    assert len(refusal.value.comment) <= 64


def test_a_uid_may_have_64_characters() -> None:
    assert is_uid("1." + "2" * 62)
    assert not is_uid("1." + "2" * 63)

"""What is read of an ADT, and what is refused because AA would be for less than was said."""

from uuid import UUID

import pytest
from fj_events import Identifier
from fj_hl7 import Message, Refusal
from fj_runtime import Sites
from patient_service.entrypoints.adt import Reader
from patient_service.entrypoints.explain import understood
from patient_service.entrypoints.pv1 import happened

ADA = "PID|1||P1^^^HOSP^MR||Example^Ada"


def reader(kind: str, *segments: str) -> Reader:
    head = f"MSH|^~\\&|ADT|NORTH|FJ|MAIN|20260302091500||{kind}|C1|P|2.5.1"
    return Reader.of(Message.parse("\r".join((head, *segments)).encode()), Sites.load(None), UUID(int=7))


def test_every_replaced_number_of_every_mrg_is_read() -> None:
    adt = reader("ADT^A48", ADA, "MRG|P1^^^HOSP|X8^^^NAT~X9^^^NAT", "MRG|P1^^^HOSP|X7^^^NAT")
    assert [number.value for number in adt.replaced_numbers()] == ["X8", "X9", "X7"]


def test_a_second_patient_where_the_event_speaks_of_one_is_refused() -> None:
    with pytest.raises(Refusal, match=r"ADT\^A08 speaks of one patient") as refused:
        reader("ADT^A08", ADA, "PID|2||P2^^^HOSP^MR||Example^Eda").news()
    assert (refused.value.errors[0].segment, refused.value.errors[0].sequence) == ("PID", 2)


def test_an_alternate_visit_may_name_no_number_of_its_patient() -> None:
    assert reader("ADT^A51", ADA, "MRG|P1^^^HOSP|||||W1^^^HOSP").replaced_numbers() == []


@pytest.mark.parametrize(
    ("kind", "segments", "place"),
    [
        ("ADT^A50", ["PV1|1|O|||||||||||||||||V2"], ("MRG", 0)),
        ("ADT^A50", ["MRG|P1^^^HOSP||||V1"], ("PV1", 0)),
        ("ADT^A50", ["MRG|P1^^^HOSP||||", "PV1|1|O|||||||||||||||||V2"], ("MRG", 5)),
        ("ADT^A50", ["MRG|P1^^^HOSP||||V1", "PV1|1|O"], ("PV1", 19)),
        ("ADT^A49", ["MRG|P1^^^HOSP||K1"], ("PID", 18)),
    ],
)
def test_another_number_without_both_numbers_is_refused(kind: str, segments: list[str], place: tuple[str, int]) -> None:
    with pytest.raises(Refusal) as refused:
        reader(kind, ADA, *segments).renumbered()
    assert (refused.value.errors[0].segment, refused.value.errors[0].field) == place


@pytest.mark.parametrize(
    ("kind", "account", "before", "told"),
    [
        ("ADT^A36", "K2^^^HOSP", "K1^^^HOSP", [("K1", "K2")]),
        ("ADT^A36", "", "K1^^^HOSP", []),
        ("ADT^A36", "K2^^^HOSP", "", []),
        ("ADT^A36", "K1^^^HOSP", "K1^^^HOSP", []),
        ("ADT^A40", "K2^^^HOSP", "K1^^^HOSP", []),
    ],
)
def test_a36_merges_accounts_where_it_has_both_numbers(
    kind: str, account: str, before: str, told: list[tuple[str, str]]
) -> None:
    adt = reader(kind, f"{ADA}{'|' * 13}{account}", f"MRG|P2^^^HOSP||{before}")
    [merge] = adt.merges()
    assert (merge.prior.details.id, merge.survivor.details.id) == tuple(
        Identifier(value=number, issuer="HOSP") for number in ("P2", "P1")
    )
    news = list(adt.merged_accounts())
    assert [(each.visit.number.value, each.renumbering.number.value) for each in news] == told
    for each in news:
        assert len(each.renumbering.patient_ids) == 2, "the orders may still be the prior patient's"


@pytest.mark.parametrize(
    ("kind", "pv1", "said"),
    [
        ("ADT^A01", "I|4W^401^2^NORTH&1.2&ISO^^^TOWER^4", "4W, 401, 2, 4, TOWER, NORTH"),
        ("ADT^A10", "I|4W^401^2|||||||||XRAY", "4W, 401, 2"),
        ("ADT^A10", "I|4W^401^2||||||||XRAY", "XRAY"),
        ("ADT^A02", "I|4W^401^2||||||||XRAY", "4W, 401, 2"),
        ("ADT^A08", "I", None),
        ("ADT^A08", 'I|""', ""),
        ("ADT^A08", "I|^^^", None),
    ],
)
def test_where_the_patient_is_is_read_and_told_to_who_tests_a_profile(kind: str, pv1: str, said: str | None) -> None:
    fields = pv1.split("|")
    adt = reader(kind, ADA, "PV1|1|" + "|".join(fields + [""] * (17 - len(fields))) + "|V1^^^HOSP")
    heard = happened(adt)
    assert heard is not None
    assert heard.visit.number == Identifier(value="V1", issuer="HOSP")
    [told] = understood(Sites.load(None), UUID(int=7), adt.message)
    assert (told["location"], told["patient_class"]) == (said, "I")


@pytest.mark.parametrize("segments", [[], ["PV1|1|I|4W"], ["PV1"]])
def test_without_a_visit_number_nothing_is_said_of_a_visit(segments: list[str]) -> None:
    assert happened(reader("ADT^A01", ADA, *segments)) is None

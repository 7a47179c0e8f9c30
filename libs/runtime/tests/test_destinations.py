"""The list of those who are told."""

import pytest
from fj_runtime import Destination, Destinations


def test_names_addresses_and_kinds() -> None:
    both = frozenset({"results", "status"})
    listed = Destinations.parse(
        "demo-ehr=127.0.0.1:2580, registry=ehr.example.org:99/results ,six=[::1]:7/status+results,"
    )
    assert listed.all == (
        Destination("demo-ehr", "127.0.0.1", 2580, both),
        Destination("registry", "ehr.example.org", 99, frozenset({"results"})),
        Destination("six", "::1", 7, both),
    )
    assert [entry.name for entry in listed.wanting("status")] == ["demo-ehr", "six"]


def test_an_image_manager_names_what_it_wants_and_in_which_version() -> None:
    listed = Destinations.parse("ehr=h:1,pacs=h:2/procedures+patients@2.3.1,old=h:3@2.3.1")
    assert [(entry.name, entry.version) for entry in listed.all] == [
        ("ehr", "2.5.1"),
        ("pacs", "2.3.1"),
        ("old", "2.3.1"),
    ]
    assert [entry.name for entry in listed.wanting("procedures")] == ["pacs"]
    assert [entry.name for entry in listed.wanting("results")] == ["ehr", "old"]


def test_nothing_is_nobody() -> None:
    assert Destinations.parse("").all == ()
    assert Destinations.parse("").wanting("results") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1:2580", "is not name=host:port"),
        ("a=127.0.0.1", "is not name=host:port"),
        ("a=h:0", "port 0 is not between 1 and 65535"),
        ("a=h:70000", "port 70000 is not between"),
        ("a=h:1/everything", "kinds are .*results.*, not everything"),
        ("a=h:1@2.8", r"versions are 2.3.1 and 2.5.1, not 2.8"),
        ("a=h:1,b=h:2,a=h:3", "destinations named twice: a"),
        ("a b=h:1", "is not name=host:port"),
    ],
)
def test_what_does_not_fit_is_named(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Destinations.parse(text)

"""What a client may ask for, and how it is understood."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from fj_fhir import (
    BadSearch,
    Dated,
    Kind,
    Match,
    Page,
    Parameter,
    Pointer,
    Prefix,
    SearchSpec,
    Sort,
    Text,
    Token,
    interval,
    is_strict,
    parse_search,
    searchset,
)
from fj_fhir.search import MAX_COUNT, split, unescape
from hypothesis import given
from hypothesis import strategies as st

SPEC = SearchSpec(
    "ServiceRequest",
    (
        Parameter("name", Kind.STRING, "a name"),
        Parameter("code", Kind.TOKEN, "a code"),
        Parameter("authored", Kind.DATE, "a date"),
        Parameter("subject", Kind.REFERENCE, "whom", ("Patient", "Group")),
    ),
    sorts=("_lastUpdated", "authored"),
)


def values(name: str, raw: str) -> tuple[object, ...]:
    [criterion] = parse_search(SPEC, [(name, raw)]).criteria
    assert criterion.name == name.partition(":")[0]
    return criterion.values


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("name", "Ann", (Text("Ann", Match.STARTS),)),
        ("name", "Ann,Bo", (Text("Ann", Match.STARTS), Text("Bo", Match.STARTS))),
        ("name", r"Ann\,Bo", (Text("Ann,Bo", Match.STARTS),)),
        ("name:exact", "Ann", (Text("Ann", Match.EXACT),)),
        ("name:contains", "nn", (Text("nn", Match.CONTAINS),)),
        ("code", "A", (Token(None, "A"),)),
        ("code", "http://x|A", (Token("http://x", "A"),)),
        ("code", "http://x|", (Token("http://x", None),)),
        ("code", "|A", (Token("", "A"),)),
        ("code", r"A\|B,C", (Token(None, "A|B"), Token(None, "C"))),
        ("subject", "1", (Pointer(None, "1"),)),
        ("subject", "Patient/1", (Pointer("Patient", "1"),)),
        ("subject", "https://there/fhir/Group/1", (Pointer("Group", "1"),)),
        ("subject:Patient", "1", (Pointer("Patient", "1"),)),
        ("authored", "ge2026", (Dated(Prefix.GE, interval("2026")),)),
        ("authored", "2026-03-02T10:00:00 02:00", (Dated(Prefix.EQ, interval("2026-03-02T10:00:00+02:00")),)),
    ],
)
def test_values_are_read_by_the_kind_of_their_parameter(name: str, raw: str, expected: tuple[object, ...]) -> None:
    assert values(name, raw) == expected


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("name:missing", "true"),
        ("name", "a\0b"),
        ("code:not", "A"),
        ("code", "a|b|c"),
        ("code", "|"),
        ("authored:exact", "2026"),
        ("authored", "soon"),
        ("authored", "ap2026"),
        ("authored", "2026-13"),
        ("authored", "2026-02-30"),
        ("authored", "2026-02-03T25:00"),
        ("authored", "9999"),
        ("subject", "Device/1"),
        ("subject", "a b"),
        ("subject:Device", "1"),
        ("_count", "-1"),
        ("_count", "\u0661"),
        ("_offset", "many"),
        ("_sort", "name"),
        ("_summary", "text"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(name: str, raw: str) -> None:
    with pytest.raises(BadSearch) as refused:
        parse_search(SPEC, [(name, raw)])
    assert refused.value.status == 400
    assert refused.value.parameter == name.partition(":")[0]
    assert refused.value.parameter in refused.value.issues[0].diagnostics


def test_an_unknown_parameter_is_ignored_and_left_out_of_the_self_link_or_refused_where_the_client_is_strict() -> None:
    query = [("shoe-size", "45"), ("code", "A"), ("_format", "json"), ("name", "")]
    search = parse_search(SPEC, query)
    assert search.used == (("code", "A"),)
    with pytest.raises(BadSearch, match="shoe-size"):
        parse_search(SPEC, query, strict=True)


@pytest.mark.parametrize(
    ("headers", "strict"),
    [
        (["handling=strict"], True),
        (["return=minimal, handling=strict"], True),
        (['handling="strict"; foo'], True),
        (["handling=lenient"], False),
        ([], False),
    ],
)
def test_prefer_says_how_strict_the_client_is(headers: list[str], strict: bool) -> None:
    assert is_strict(headers) is strict


def test_result_parameters() -> None:
    search = parse_search(SPEC, [("_count", "7"), ("_offset", "14"), ("_sort", "-authored")])
    assert (search.count, search.offset, search.sort) == (7, 14, Sort("authored", descending=True))
    assert parse_search(SPEC, [("_count", "100000")]).count == MAX_COUNT
    assert parse_search(SPEC, [("_count", "0")]).only_count
    assert parse_search(SPEC, [("_summary", "count")]).only_count


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-02", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        ("2026-03-02T10:30", datetime(2026, 3, 2, 10, 30, tzinfo=UTC), datetime(2026, 3, 2, 10, 31, tzinfo=UTC)),
        ("2026-03-02T23:59:59Z", datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)),
        (
            "2026-03-02T10:30:00.5+05:30",
            datetime(2026, 3, 2, 10, 30, 0, 500_000, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            datetime(2026, 3, 2, 10, 30, 0, 600_000, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        ),
    ],
)
def test_a_date_stands_for_a_span(text: str, low: datetime, high: datetime) -> None:
    span = interval(text)
    assert (span.low, span.high) == (low, high)


@given(st.text())
def test_any_text_is_a_span_or_a_value_error(text: str) -> None:
    try:
        span = interval(text)
    except ValueError:
        return
    assert span.low < span.high


@given(st.lists(st.text(st.sampled_from("ab,|$\\")), min_size=1))
def test_escaped_values_come_back_as_they_were(parts: list[str]) -> None:
    escaped = [part.replace("\\", r"\\").replace(",", r"\,").replace("|", r"\|").replace("$", r"\$") for part in parts]
    assert [unescape(part) for part in split(",".join(escaped), ",")] == parts


def test_pages_lead_to_each_other() -> None:
    search = parse_search(SPEC, [("code", "A|1,ä"), ("_count", "2"), ("_offset", "2"), ("nonsense", "1")])
    bundle = searchset("http://here/fhir/ServiceRequest", search, Page([], 9, more=True))
    links = {link["relation"]: link["url"] for link in bundle["link"]}
    assert links == {
        "self": "http://here/fhir/ServiceRequest?code=A%7C1%2C%C3%A4&_count=2&_offset=2",
        "next": "http://here/fhir/ServiceRequest?code=A%7C1%2C%C3%A4&_count=2&_offset=4",
    }
    assert "entry" not in bundle
    last = searchset("http://here/fhir/ServiceRequest", search, Page([{"id": "x"}], None))
    assert [link["relation"] for link in last["link"]] == ["self"]
    assert last["entry"][0]["fullUrl"] == "http://here/fhir/ServiceRequest/x"
    assert "total" not in last

"""Manifests are as small as promised, and come back as they were written."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import generate_uid
from storage_service.domain.manifest import Entry, entries_of, revision_of, uids_of, written

CHANCE = random.Random(7)  # noqa: S311 - nothing secret
numbers = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1))
texts = st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,30}){0,3}", fullmatch=True)
lengths = st.integers(0, 2**35)
uids = st.one_of(texts, st.integers(0, 2**128).map(lambda number: f"2.25.{number}"))
instances = st.tuples(
    uids,
    texts,
    texts,
    *(numbers,) * 4,
    *(lengths,) * 3,
    st.binary(min_size=32, max_size=32),
    st.integers(0, 300),
)


def placed(told: list[tuple[Any, ...]]) -> list[Entry]:
    """One behind the other, some room between them."""
    end, found = 0, []
    for *identity, room, length, data_offset, sha256, revision in told:
        found.append(Entry._make((*identity, end + room, length, data_offset, sha256, revision)))
        end += room + length + 1
    return found


entries = st.lists(instances, max_size=12).map(placed)


@given(entries)
def test_what_is_written_is_read(given: list[Entry]) -> None:
    data = written(given)
    assert entries_of(data) == given
    assert uids_of(data) == [entry.sop_instance_uid for entry in given]


@given(entries, st.randoms())
def test_the_same_instances_give_the_same_bytes_in_any_order(given: list[Entry], chance: random.Random) -> None:
    shuffled = list(given)
    chance.shuffle(shuffled)
    assert written(shuffled) == written(given)


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.007", "1.2.0", "0", "1.2.", "2.25." + "9" * 38])
def test_a_single_uid_comes_back_as_it_was(uid: str) -> None:
    assert uids_of(written([an_entry(1, uid)])) == [uid]


@pytest.mark.parametrize("uids", [("1.2.1", "1.2.01"), ("1.2.1", "1.2"), ("1.2.٣", "1.2.4"), ("", "1.2")])
def test_what_is_no_number_is_not_made_one(uids: tuple[str, ...]) -> None:
    assert uids_of(written(an_entry(place, uid) for place, uid in enumerate(uids))) == list(uids)


@pytest.mark.parametrize(
    ("uid", "most"),
    [
        pytest.param("1.2.840.113619.2.55.3.{study}.{number}", 34, id="numbered by the device"),
        pytest.param("random", 52, id="random"),
    ],
)
def test_an_instance_takes_little_more_than_what_cannot_be_guessed(uid: str, most: int) -> None:
    study = CHANCE.randrange(10**12)
    uids = [
        str(generate_uid()) if uid == "random" else uid.format(study=study, number=number) for number in range(1000)
    ]
    assert len(written(an_entry(place, uid) for place, uid in enumerate(uids))) <= most * 1000


def test_rows_of_an_older_schema_are_read() -> None:
    entry = an_entry(3, "1.2.3")
    row = [*entry[:10], entry.sha256.hex(), entry.revision]
    data = b"\0" + json.dumps([row]).encode()
    assert entries_of(data) == [entry]
    assert uids_of(data) == ["1.2.3"]


def test_a_manifest_from_the_future_is_refused_by_its_version() -> None:
    with pytest.raises(ValueError, match="version 9"):
        entries_of(b"\x09" + written([an_entry(1, "1.2.3")])[1:])


def test_the_same_bytes_again_are_nothing_new_and_other_bytes_are_a_revision() -> None:
    first, other, third = (an_entry(1, "1.2.3", sha256=bytes((n,)) * 32) for n in range(3))
    assert revision_of(first, []) == 0
    assert revision_of(other, [first]) == 1
    assert revision_of(third, [other._replace(revision=1), first]) == 2
    assert revision_of(other, [first, other._replace(revision=1)]) is None


def an_entry(number: int, uid: str, sha256: bytes | None = None) -> Entry:
    return Entry(
        uid,
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.1.2.1",
        number,
        512,
        512,
        1,
        offset=1536 + number * 529_408,
        length=527_000,
        data_offset=380,
        sha256=sha256 or CHANCE.randbytes(32),
    )

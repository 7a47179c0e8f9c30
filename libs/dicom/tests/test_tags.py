"""The scanner against pydicom, and against bytes that nobody meant."""

import contextlib
import re
import time
import tracemalloc
import zlib
from typing import Any

import pytest
from fj_dicom import BadDataSet, TagScanner, read, write
from fj_dicom.tags import DEPTH_MAX
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset, Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

SYNTAXES = [str(uid) for uid in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)]
EXPLICIT = SYNTAXES[0]
TAGS = {"PatientID": 0x00100020, "StudyInstanceUID": 0x0020000D, "Rows": 0x00280010, "SOPClassUID": 0x00080016}

values = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=20)


@st.composite
def datasets(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """Elements of each shape: short and long lengths, binary, sequences with and without a length."""
    dataset = Dataset()
    dataset.SOPClassUID = draw(st.sampled_from(["1.2.3", "1.2.840.10008.5.1.4.1.1.2"]))
    if draw(st.booleans()):
        dataset.PatientID = draw(values.map(str.strip))
    if draw(st.booleans()):
        dataset.StudyInstanceUID = "1.2.840.1"
        dataset.Rows = draw(st.integers(0, 65535))
    if draw(st.booleans()):
        dataset.add_new(0x00091010, "UN", draw(st.binary(max_size=20).filter(lambda data: len(data) % 2 == 0)))
        dataset.add_new(0x00190010, "LO", "TESTS")
    if depth and draw(st.booleans()):
        items = draw(st.lists(datasets(depth - 1), max_size=2))
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
        sequence = DataElement(draw(st.sampled_from([0x00081111, 0x00400275])), "SQ", Sequence(items))
        sequence.is_undefined_length = draw(st.booleans())
        dataset.add(sequence)
    return dataset


def scan(data: bytes, syntax: str) -> TagScanner:
    scanner = TagScanner(syntax, TAGS.values())
    scanner.finish(memoryview(data))
    return scanner


@settings(deadline=None)
@given(datasets(), st.sampled_from(SYNTAXES))
def test_it_finds_what_pydicom_finds(dataset: Dataset, syntax: str) -> None:
    data = write(dataset, syntax)
    scanner = scan(data, syntax)
    found = read(data, syntax)
    assert scanner.text(TAGS["PatientID"]) == (found.get("PatientID") or "")
    assert scanner.text(TAGS["StudyInstanceUID"]) == (found.get("StudyInstanceUID") or "")
    assert scanner.number(TAGS["Rows"]) == found.get("Rows")


@settings(deadline=None)
@given(datasets(), st.sampled_from(SYNTAXES), st.data())
def test_what_is_cut_short_is_never_taken_for_whole(dataset: Dataset, syntax: str, draw: st.DataObject) -> None:
    data = write(dataset, syntax)
    ends = {0}
    for element in dataset:
        part = Dataset()
        part.add(element)
        ends.add(max(ends) + len(write(part, syntax)))
    cut = draw.draw(st.sampled_from([at for at in range(len(data)) if at not in ends]))
    with pytest.raises(BadDataSet):
        scan(data[:cut], syntax)


@settings(deadline=None)
@given(datasets(), st.sampled_from(SYNTAXES), st.lists(st.integers(1, 60), min_size=1))
def test_the_size_of_the_pieces_does_not_matter(dataset: Dataset, syntax: str, sizes: list[int]) -> None:
    data = write(dataset, syntax)
    scanner = TagScanner(syntax, TAGS.values())
    seen = 0
    for size in sizes:
        seen = min(seen + size, len(data))
        scanner.feed(memoryview(data)[:seen])
    scanner.finish(memoryview(data))
    assert scanner.values == scan(data, syntax).values


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([*SYNTAXES, str(DeflatedExplicitVRLittleEndian)]))
def test_any_bytes_are_a_data_set_or_refused(data: bytes, syntax: str) -> None:
    scanner = TagScanner(syntax, TAGS.values())
    try:
        scanner.feed(memoryview(data))
        scanner.finish(memoryview(data))
    except BadDataSet:
        return
    assert len(scanner.values) <= len(TAGS)


WANTED = [0x00080016, 0x00080018, 0x0020000D, 0x0020000E]
ALL_SYNTAXES = [*SYNTAXES, str(DeflatedExplicitVRLittleEndian)]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """A data set in any of the four encodings: whole, claimed to be in another, cut, or with bytes that flipped."""
    dataset = draw(datasets())
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3.5"
    dataset.add_new(0x7FE00010, "OW", b"\x01\x02" * draw(st.integers(0, 20)))
    syntax = draw(st.sampled_from(ALL_SYNTAXES))
    data = bytearray(
        write(dataset, draw(st.sampled_from([*SYNTAXES, syntax, syntax])) if syntax in SYNTAXES else EXPLICIT)
    )
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[at] = draw(st.integers(0, 255))
    del data[draw(st.one_of(st.just(len(data)), st.integers(0, len(data)))) :]
    if syntax not in SYNTAXES:
        squeezing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return squeezing.compress(data) + squeezing.flush(), syntax
    return bytes(data), syntax


def shown(value: Any) -> str:
    """A UID as the scanner shows it."""
    return str(value or "").strip("\0 ")


@settings(deadline=None, max_examples=400)
@given(damaged())
def test_a_damaged_data_set_is_refused_or_has_the_identity_that_pydicom_finds(case: tuple[bytes, str]) -> None:
    data, syntax = case
    try:
        scanner = TagScanner(syntax, WANTED)
        scanner.finish(memoryview(data))
        found = read(data, syntax)
    except BadDataSet:
        return
    for tag in WANTED:
        if re.fullmatch(r"[0-9.]+", scanner.text(tag)):  # what is no UID is refused by whoever asked
            assert scanner.text(tag) == shown(found[tag].value if tag in found else "")


@settings(deadline=None, max_examples=100)
@given(damaged(), st.integers(1, 80))
def test_a_damaged_data_set_in_pieces_is_what_it_is_as_a_whole(case: tuple[bytes, str], size: int) -> None:
    data, syntax = case

    def outcome(step: int) -> dict[int, bytes] | None:
        scanner = TagScanner(syntax, WANTED)
        try:
            for end in range(step, len(data), step):
                scanner.feed(memoryview(data)[:end])
            scanner.finish(memoryview(data))
        except BadDataSet:
            return None
        return scanner.values

    pieces, whole = outcome(size), outcome(max(len(data), 1))
    assert pieces is None or pieces == whole


@settings(deadline=None)
@given(datasets(), st.sampled_from([(SYNTAXES[0], SYNTAXES[1]), (SYNTAXES[1], SYNTAXES[0])]))
def test_what_is_encoded_otherwise_than_it_claims_is_read_as_pydicom_reads_it(
    dataset: Dataset, syntaxes: tuple[str, str]
) -> None:
    """Some senders mix up implicit and explicit VR; the pixels behind do not matter."""
    claimed, real = syntaxes
    dataset.StudyInstanceUID = "1.2.840.1"
    dataset.add_new(0x7FE00010, "OW", bytes(70_000))
    data = write(dataset, real)
    scanner = TagScanner(claimed, TAGS.values())
    assert scanner.feed(memoryview(data)[:-60_000])
    scanner.finish(memoryview(data))
    assert scanner.text(TAGS["StudyInstanceUID"]) == "1.2.840.1"
    with pytest.raises(BadDataSet):
        TagScanner(claimed, TAGS.values()).finish(memoryview(data)[:-2])


@pytest.mark.parametrize("syntax", ALL_SYNTAXES)
def test_time_and_memory_are_bounded_whatever_the_bytes(syntax: str) -> None:
    """Megabytes of the shortest elements, of nesting, of a length that leads nowhere."""
    hostile = [
        b"\x09\x00\x10\x10" * 250_000,
        b"\x08\x00\x11\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 50_000,
        b"\x08\x00\x11\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 50_000,
        b"\x08\x00\x16\x00UT\x00\x00\xff\xff\xff\x7f" + bytes(1_000_000),
    ]
    begun = time.monotonic()
    tracemalloc.start()
    for data in hostile:
        with contextlib.suppress(BadDataSet):
            scanner = TagScanner(syntax, WANTED)
            scanner.feed(memoryview(data))
            scanner.finish(memoryview(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024 * 1024
    assert time.monotonic() - begun < 20


@settings(deadline=None)
@given(datasets())
def test_a_deflated_data_set_is_looked_into(dataset: Dataset) -> None:
    squeezing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = squeezing.compress(write(dataset, EXPLICIT)) + squeezing.flush()
    scanner = scan(data, str(DeflatedExplicitVRLittleEndian))
    assert scanner.values == scan(write(dataset, EXPLICIT), EXPLICIT).values
    with pytest.raises(BadDataSet):
        scan(data[:-1], str(DeflatedExplicitVRLittleEndian))


def test_feeding_says_when_nothing_wanted_can_follow() -> None:
    dataset = Dataset()
    dataset.PatientID = "P1"
    dataset.StudyInstanceUID = "1.2"
    data = write(dataset, EXPLICIT)
    pixels = b"\xe0\x7f\x10\x00OW\x00\x00\x00\x00\x01\x00" + bytes(100)
    scanner = TagScanner(EXPLICIT, [TAGS["StudyInstanceUID"]])
    assert not scanner.feed(memoryview(data))
    assert scanner.feed(memoryview(data + pixels))
    assert not scanner.ends_at(len(data) + len(pixels))
    assert scanner.ends_at(len(data) + 12 + 65536)


def test_an_unknown_sequence_is_implicit_inside() -> None:
    """PS3.5 6.2.2: UN of undefined length, whatever the transfer syntax."""
    data = (
        b"\x09\x00\x10\x10UN\x00\x00\xff\xff\xff\xff"
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
        b"\x08\x00\x60\x00\x02\x00\x00\x00CT"
        b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
        b"\x10\x00\x20\x00LO\x02\x00P1"
    )
    assert scan(data, EXPLICIT).text(TAGS["PatientID"]) == "P1"


def test_sequences_cannot_be_nested_without_end() -> None:
    with pytest.raises(BadDataSet, match="inside each other"):
        scan(b"\x08\x00\x11\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * (DEPTH_MAX + 1), EXPLICIT)

"""Attributes in their character sets, and DICOM JSON."""

import json
from datetime import date

import pytest
from fj_dicom import (
    BadDataSet,
    Name,
    NameGroup,
    day,
    file_header,
    item,
    name,
    read_attributes,
    read_file_header,
    text,
    to_dicom_json,
    whole_number,
    write,
)
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

EXPLICIT = str(ExplicitVRLittleEndian)


def a_dataset(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("character_set", "encoded", "expected"),
    [
        ("ISO_IR 100", "Müller^Jörg".encode("latin-1"), Name(NameGroup("Müller", "Jörg"), NameGroup(), NameGroup())),
        (
            "ISO_IR 192",
            "Wang^XiaoDong=王^小东".encode(),
            Name(NameGroup("Wang", "XiaoDong"), NameGroup("王", "小东"), NameGroup()),
        ),
        (
            "\\ISO 2022 IR 87",  # PS3.5 H.3.1
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            Name(NameGroup("Yamada", "Tarou"), NameGroup("山田", "太郎"), NameGroup("やまだ", "たろう")),
        ),
        ("", b"Doe^Jane^M^Dr^PhD", Name(NameGroup("Doe", "Jane", "M", "Dr", "PhD"), NameGroup(), NameGroup())),
    ],
)
def test_names_come_in_their_groups_and_character_set(character_set: str, encoded: bytes, expected: Name) -> None:
    def element(number: int, vr: bytes, value: bytes) -> bytes:
        value += b" " * (len(value) % 2)
        group, low = divmod(number, 0x10000)
        return group.to_bytes(2, "little") + low.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value

    data = element(0x00080005, b"CS", character_set.encode()) + element(0x00100010, b"PN", encoded)
    assert name(read_attributes(data, EXPLICIT, ["PatientName"]), "PatientName") == expected


def test_values_that_are_missing_or_broken_are_none() -> None:
    data = write(a_dataset(PatientID="", StudyDate="", SeriesNumber=None), EXPLICIT)
    dataset = read_attributes(data, EXPLICIT)
    assert text(dataset, "PatientID") is None
    assert name(dataset, "PatientName") is None
    assert day(dataset, "StudyDate") is None
    assert whole_number(dataset, "SeriesNumber") is None
    assert item(dataset, "RequestAttributesSequence") is None
    broken = b"\x08\x00\x20\x00DA\x08\x0020261399" + b"\x20\x00\x13\x00IS\x04\x00abcd"
    dataset = read_attributes(broken, EXPLICIT)
    assert day(dataset, "StudyDate") is None


def test_dates_also_in_the_old_form() -> None:
    old = b"\x08\x00\x20\x00DA\x0a\x002026.03.02"
    assert day(read_attributes(old, EXPLICIT), "StudyDate") == date(2026, 3, 2)


def test_reading_stops_before_the_pixels() -> None:
    dataset = a_dataset(PatientID="P1", Rows=8)
    data = write(dataset, EXPLICIT) + b"\xe0\x7f\x10\x00OW\x00\x00\x00\x00\x01\x00" + bytes(10)
    assert text(read_attributes(data, EXPLICIT), "PatientID") == "P1"
    only_rows = read_attributes(data, EXPLICIT, ["Rows"])
    assert (whole_number(only_rows, "Rows"), text(only_rows, "PatientID")) == (8, None)


def test_dicom_json_gives_pixels_by_uri_and_the_rest_inline() -> None:
    dataset = a_dataset(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg", Rows=2, Columns=2)
    dataset.RequestAttributesSequence = [a_dataset(ScheduledProcedureStepID="S1")]
    dataset.add_new("RedPaletteColorLookupTableData", "OW", bytes(5000))
    dataset.add_new("PixelData", "OW", bytes(8))
    told = to_dicom_json(write(dataset, EXPLICIT), EXPLICIT, lambda tag: f"bulk/{tag:08X}")
    assert told["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]}
    assert told["00400275"]["Value"] == [{"00400009": {"vr": "SH", "Value": ["S1"]}}]
    assert told["00281201"] == {"vr": "OW", "BulkDataURI": "bulk/00281201"}
    assert told["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulk/7FE00010"}
    json.dumps(told)


def test_dicom_json_of_implicit_vr_names_the_vr_that_is_meant() -> None:
    dataset = a_dataset(PixelRepresentation=1, Rows=2)
    dataset.add_new("SmallestImagePixelValue", "SS", -5)
    syntax = str(ImplicitVRLittleEndian)
    told = to_dicom_json(write(dataset, syntax), syntax, str)
    assert told["00280106"] == {"vr": "SS", "Value": [-5]}


def test_dicom_json_leaves_out_what_json_cannot_tell() -> None:
    data = write(a_dataset(PatientID="P1"), EXPLICIT) + b"\x18\x00\x50\x00DS\x04\x00abcd"
    assert set(to_dicom_json(data, EXPLICIT, str)) == {"00100020"}


def test_a_file_header_is_read_as_it_was_written() -> None:
    written = file_header("1.2.3", "1.2.3.4", EXPLICIT, "CT1")
    found = read_file_header(memoryview(written + b"\x08\x00\x16\x00UI\x00\x00"))
    assert found is not None
    assert (found.length, found.sop_class_uid, found.sop_instance_uid) == (len(written), "1.2.3", "1.2.3.4")
    assert found.transfer_syntax_uid == EXPLICIT
    for cut in (10, 131, 140, len(written) - 3, len(written)):
        assert read_file_header(memoryview(written)[:cut]) is None


@pytest.mark.parametrize("data", [bytes(200), b"x" * 200, bytes(128) + b"DICM" + b"\x02\x00\x00\x00\xff\xff\xff\xff"])
def test_what_is_no_file_is_refused(data: bytes) -> None:
    with pytest.raises(BadDataSet):
        read_file_header(memoryview(data))

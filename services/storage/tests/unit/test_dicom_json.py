"""DICOM JSON from bytes as they were read, against pydicom's own and against the standard's corners."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from storage_service.adapters.dicom_json import to_json
from storage_service.adapters.headers import parse

SYNTAXES = [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian), str(ExplicitVRBigEndian)]


def read(data_set: Dataset, syntax: str = SYNTAXES[0]) -> Dataset:
    """The data set as it comes back from its bytes, nothing of it looked at yet."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    write_dataset(stream, data_set)
    header = parse(stream.getvalue(), syntax, len(stream.getvalue()))
    assert header is not None
    return header.data_set


def encoded(data_set: Dataset, syntax: str = SYNTAXES[0]) -> dict[str, Any]:
    return to_json(read(data_set, syntax), "bulk", little=syntax != ExplicitVRBigEndian)


def a_data_set() -> Dataset:
    data_set, item, inner = Dataset(), Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "T-1", "Chest"
    item.ReferencedFrameNumber = [1, 2]
    item.PurposeOfReferenceCodeSequence = [inner]
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPInstanceUID = "1.2.3.4"
    data_set.StudyDate, data_set.StudyTime = "20260302", "101530.5"
    data_set.AccessionNumber = ""
    data_set.PatientName = "Müller^Jörg"
    data_set.OtherPatientNames = ["A^B", "C^D"]
    data_set.PatientComments = "back\\slash and  spaces"
    data_set.ReferencedImageSequence = [item, Dataset()]
    data_set.InstanceNumber = 7
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, -0.5]
    data_set.FrameIncrementPointer = [0x00181063, 0x00181065]
    data_set.PixelRepresentation = 1
    data_set.SmallestImagePixelValue = -5
    data_set.Rows, data_set.Columns = 512, 256
    data_set.ExaminedBodyThickness = 12.5
    data_set.RedPaletteColorLookupTableData = b"\1\2\3\4"
    data_set.add_new(0x00191010, "LO", "VENDOR")
    data_set.add_new(0x00091002, "UN", b"\0\1")
    return data_set


def test_values_are_those_of_pydicom() -> None:
    data_set = a_data_set()
    expected = read(data_set).to_json_dict()
    expected["00080005"]["Value"] = ["ISO_IR 192"]
    found = encoded(data_set)
    assert found == expected


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_reads_the_same(syntax: str) -> None:
    data_set = a_data_set()
    del data_set[0x00091002]  # its representation is lost in Implicit VR
    del data_set[0x00191010]
    del data_set.RedPaletteColorLookupTableData  # OW: its bytes follow the byte order
    assert encoded(data_set, syntax) == encoded(data_set)


@pytest.mark.parametrize(("representation", "vr", "value"), [(0, "US", 65531), (1, "SS", -5)])
def test_sign_that_implicit_vr_leaves_open(representation: int, vr: str, value: int) -> None:
    data_set = Dataset()
    data_set.PixelRepresentation = representation
    data_set.SmallestImagePixelValue = value
    assert encoded(data_set, ImplicitVRLittleEndian)["00280106"] == {"vr": vr, "Value": [value]}


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["ISO_IR 192"], "山田^太郎"),
        (["ISO_IR 144"], "Люкceмбypг"),
        (["GB18030"], "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_names_in_the_scripts_of_the_world(character_set: list[str], name: str) -> None:
    data_set = Dataset()
    data_set.SpecificCharacterSet = character_set
    data_set.PatientName = name
    found = encoded(data_set)["00100010"]["Value"][0]
    assert "=".join(found.values()) == name


def test_values_that_are_none_of_their_representation_stay_texts() -> None:
    data_set = Dataset()
    data_set.add_new(0x00200013, "UN", b"")
    raw = b"\x20\x00\x13\x00IS\x04\x001.x " + b"\x28\x00\x30\x00DS\x06\x00nan\\2 "
    header = parse(raw, ExplicitVRLittleEndian, len(raw))
    assert header is not None
    found = to_json(header.data_set, "bulk")
    assert found["00200013"] == {"vr": "IS", "Value": ["1.x"]}
    assert found["00280030"] == {"vr": "DS", "Value": ["nan", 2.0]}


def left_out() -> float:
    return REGISTRY.get_sample_value("storage_elements_left_out_total", {"representation": "US", "error": "error"}) or 0


def test_a_broken_element_is_left_out_and_counted_and_the_others_stay() -> None:
    before = left_out()
    raw = b"\x28\x00\x10\x00US\x03\x00abc" + b"\x28\x00\x11\x00US\x02\x00\x10\x00"
    header = parse(raw, ExplicitVRLittleEndian, len(raw))
    assert header is not None
    assert to_json(header.data_set, "bulk") == {"00280011": {"vr": "US", "Value": [16]}}
    assert left_out() == before + 1


def test_long_binaries_have_an_address_also_in_sequences() -> None:
    data_set, item = Dataset(), Dataset()
    item.RedPaletteColorLookupTableData = bytes(2000)
    data_set.ReferencedImageSequence = [Dataset(), item]
    found = encoded(data_set)["00081140"]["Value"][1]["00281201"]
    assert found == {"vr": "OW", "BulkDataURI": "bulk/00081140/1/00281201"}

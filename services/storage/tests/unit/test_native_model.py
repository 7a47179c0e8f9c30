"""Data sets as XML: read back, and held against what DCMTK makes of the same file."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, fromstring

from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, generate_uid
from storage_service.adapters.dicom_json import to_json
from storage_service.entrypoints.dicomweb.native_model import NAMESPACE, to_xml

SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
COMPONENTS: Final = ["FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix"]
GROUPS: Final = ["Alphabetic", "Ideographic", "Phonetic"]
CONTENTS: Final = {"SQ": "Item", "PN": "PersonName"}


def a_file(path: Path) -> Path:
    data_set, code = Dataset(), Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.SOPClassUID, data_set.SOPInstanceUID = CTImageStorage, generate_uid()
    data_set.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    data_set.PatientID = 'A<&>"1'
    data_set.ReferringPhysicianName = "Ärger^Öl^^Dr^III"
    data_set.ImageType = ["ORIGINAL", "", "AXIAL"]
    data_set.WindowCenter = [40.5, "100"]
    data_set.InstanceNumber, data_set.Rows, data_set.FrameIncrementPointer = "7", 12, [0x00181063]
    data_set.ImageComments = "a\\b\r\nc"
    code.CodeValue, code.CodeMeaning = "1", "x < y"
    data_set.ProcedureCodeSequence = [code, Dataset()]
    data_set.RequestAttributesSequence = []
    data_set.StudyDescription, data_set.ExposureTime = "", None
    for creator in ("ACME 1.1", "OTHER"):
        data_set.private_block(0x0029, creator, create=True).add_new(0x10, "LO", f"of {creator}")
    data_set.save_as(path, implicit_vr=False, little_endian=True)
    return path


def read(document: bytes) -> Element:
    return fromstring(document)  # noqa: S314 - made here


def native(data_set: Dataset) -> Element:
    return read(to_xml(json.loads(json.dumps(to_json(data_set, "http://x/bulkdata")))))


def plain(element: Element) -> list[Any]:
    """Name, attributes and text of an element, and the same of those in it."""
    inside = list(element)
    name = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    return [name, dict(element.attrib), None if inside else (element.text or "").strip("\n"), *map(plain, inside)]


def require_schema(element: Element) -> None:
    """The structure of PS3.19 annex A.1.6, of a data set."""
    for attribute in element:
        assert attribute.tag == f"{{{NAMESPACE}}}DicomAttribute"
        assert attribute.attrib.keys() <= {"tag", "vr", "keyword", "privateCreator"}
        assert re.fullmatch("[0-9A-F]{8}", attribute.attrib["tag"])
        assert re.fullmatch("[A-Z]{2}", attribute.attrib["vr"])
        names = {inside.tag.removeprefix(f"{{{NAMESPACE}}}") for inside in attribute}
        if names & {"BulkData", "InlineBinary"}:
            assert len(attribute) == 1
            continue
        assert names <= {CONTENTS.get(attribute.attrib["vr"], "Value")}
        assert [inside.attrib for inside in attribute] == [{"number": str(n + 1)} for n in range(len(attribute))]
        for inside in attribute:
            if names == {"Item"}:
                require_schema(inside)
            elif names == {"PersonName"}:
                require_order(inside, GROUPS)
                for group in inside:
                    require_order(group, COMPONENTS)


def require_order(element: Element, names: list[str]) -> None:
    found = [names.index(inside.tag.removeprefix(f"{{{NAMESPACE}}}")) for inside in element]
    assert found == sorted(set(found))


def test_a_data_set_is_what_dcmtk_writes_of_it(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.dcm")
    made = native(dcmread(path, force=True))
    command = ["dcm2xml", "--native-format", "--use-xml-namespace", str(path)]
    theirs = read(subprocess.run(command, check=True, capture_output=True).stdout)
    # Theirs repeats the creators under tags that are of other elements then (PS3.19 A.1.5: gggg00ee).
    repeated = [one for one in theirs if not one.attrib.keys() & {"keyword", "privateCreator"}]
    for one in repeated:
        theirs.remove(one)
    assert len(repeated) == 2
    assert plain(made) == plain(theirs)
    assert made.attrib[SPACE] == "preserve"
    require_schema(made)


def test_private_elements_are_told_apart_by_their_creators(tmp_path: Path) -> None:
    made = native(dcmread(a_file(tmp_path / "a.dcm"), force=True))
    private = [one for one in made if "privateCreator" in one.attrib]
    told = [(one.attrib["tag"], one.attrib["privateCreator"], one[0].text) for one in private]
    assert told == [("00290010", "ACME 1.1", "of ACME 1.1"), ("00290010", "OTHER", "of OTHER")]
    alone = read(to_xml({"00291010": {"vr": "LO", "Value": ["nobody's"]}}))
    assert plain(alone[0])[:2] == ["DicomAttribute", {"tag": "00291010", "vr": "LO"}]


def test_bulk_data_has_its_address_and_what_is_short_stands_in_it() -> None:
    made = read(
        to_xml(
            {
                "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/y?a=1&b=2"},
                "00282000": {"vr": "OB", "InlineBinary": "AQIDBA=="},
            }
        )
    )
    require_schema(made)
    assert [plain(one[0]) for one in made] == [
        ["InlineBinary", {}, "AQIDBA=="],
        ["BulkData", {"uri": "http://x/y?a=1&b=2"}, ""],
    ]


def test_what_xml_cannot_write_does_not_break_it() -> None:
    made = read(to_xml({"00204000": {"vr": "LT", "Value": ["a\x0cb\x1bc\ud800d\r\n\te"]}}))
    assert made[0][0].text == "a\ufffdb\ufffdc\ufffdd\r\n\te"


def test_names_without_a_value_and_with_too_much_of_one() -> None:
    parts = ["A", "B", "C", "D", "E^F"]
    names = {"vr": "PN", "Value": [None, {"Ideographic": "山田"}, {"Alphabetic": "A^B^C^D^E^F"}]}
    made = read(to_xml({"00081070": names}))
    require_schema(made)
    assert [[plain(group) for group in name] for name in made[0]] == [
        [],
        [["Ideographic", {}, None, ["FamilyName", {}, "山田"]]],
        [["Alphabetic", {}, None, *([name, {}, text] for name, text in zip(COMPONENTS, parts, strict=True))]],
    ]

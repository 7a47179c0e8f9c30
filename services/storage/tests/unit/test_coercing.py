"""The beginning of a data set is rewritten, the rest is left alone (PS3.3 C.12.1.1.9)."""

import zlib
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any, Final

import pytest
from fj_events import CodedConcept, Identifier, PatientPhi, Sex
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from storage_service.adapters.coercing import coerced
from storage_service.domain.coercion import Changed, Coercion, Ordered

AT: Final = datetime(2026, 3, 4, 5, 6, 7, 890123, UTC)
SURVIVOR: Final = PatientPhi(
    id=Identifier(value="S1", issuer="MAIN"),
    family_name="Miller",
    given_name="Ada",
    birth_date=date(1970, 4, 1),
    sex=Sex.FEMALE,
)
ORDER: Final = Ordered(
    accession_number=Identifier(value="A2", issuer="MAIN"),
    requested_procedure_id="RP2",
    procedure=CodedConcept(code="MRHEAD", text="MR head"),
)
SYNTAXES: Final = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)


def a_data_set(**changed: Any) -> Dataset:
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.AccessionNumber = "A1"
    data_set.StudyDescription = "CT chest"
    data_set.PatientName = "Miller^Änne"
    data_set.PatientID = "P1"
    data_set.PatientBirthDate = "19700401"
    data_set.PatientSex = "F"
    request = Dataset()
    request.RequestedProcedureID = "RP1"
    data_set.RequestAttributesSequence = Items([request])
    data_set.add_new(0x00990010, "LO", "SOMEBODY")
    data_set.add_new(0x00991001, "OB", b"\1\2\3\4")
    data_set.Rows = 7
    data_set.add_new(0x20500020, "CS", "IDENTITY")
    data_set.PixelData = bytes(range(256))
    data_set["PixelData"].VR = "OW"
    for keyword, value in changed.items():
        setattr(data_set, keyword, value)
    return data_set


def encoded(data_set: Dataset, syntax: UID) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    write_dataset(buffer, data_set)
    data = buffer.getvalue()
    if syntax == DeflatedExplicitVRLittleEndian:
        packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = packing.compress(data) + packing.flush()
    return data


def decoded(data: bytes, syntax: UID) -> Dataset:
    if syntax == DeflatedExplicitVRLittleEndian:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
    return read_dataset(BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian)


def as_retrieved(data_set: Dataset, changed: Changed, syntax: UID = ExplicitVRLittleEndian) -> Dataset:
    stored = encoded(data_set, syntax)
    found = coerced(stored, syntax, Coercion(changed, AT, "NORTH"), whole=True)
    assert found is not None
    return decoded(found[0] + stored[found[1] :], syntax)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_patient_and_order_are_those_of_now_and_what_was_stored_is_kept_beside(syntax: UID) -> None:
    found = as_retrieved(a_data_set(), Changed(patient=SURVIVOR, order=ORDER), syntax)
    assert (found.PatientName, found.PatientID, found.IssuerOfPatientID) == ("Miller^Ada", "S1", "MAIN")
    assert (found.AccessionNumber, found.StudyDescription) == ("A2", "MR head")
    assert found.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "MAIN"
    [request] = found.RequestAttributesSequence
    assert (request.RequestedProcedureID, request.AccessionNumber) == ("RP2", "A2")
    assert request.RequestedProcedureCodeSequence[0].CodeValue == "MRHEAD"
    [original] = found.OriginalAttributesSequence
    assert original.ReasonForTheAttributeModification == "COERCE"
    assert (original.ModifyingSystem, original.SourceOfPreviousValues) == ("Filmjacket", "NORTH")
    assert original.AttributeModificationDateTime == found.InstanceCoercionDateTime == "20260304050607.890123+0000"
    [before] = original.ModifiedAttributesSequence
    assert (before.PatientName, before.PatientID, before.AccessionNumber) == ("Miller^Änne", "P1", "A1")
    assert before.RequestAttributesSequence[0].RequestedProcedureID == "RP1"
    assert before["IssuerOfPatientID"].is_empty
    assert "PatientSex" not in before
    assert found.PixelData == bytes(range(256))
    assert found[0x00991001].value == b"\1\2\3\4"
    assert found.Rows == 7


def test_a_data_set_that_says_it_already_is_left_alone() -> None:
    stored = encoded(
        a_data_set(PatientName="Miller^Ada^^", PatientID="S1 ", IssuerOfPatientID="MAIN"), ExplicitVRLittleEndian
    )
    assert coerced(stored, ExplicitVRLittleEndian, Coercion(Changed(patient=SURVIVOR), AT, "X"), whole=True) == (b"", 0)


def test_nothing_behind_the_original_attributes_is_needed() -> None:
    stored = encoded(a_data_set(), ExplicitVRLittleEndian)
    pixels = stored.index(b"IDENTITY") + 8
    coercion = Coercion(Changed(patient=SURVIVOR), AT, "X")
    found = coerced(stored[:pixels], ExplicitVRLittleEndian, coercion, whole=False)
    assert found is not None
    assert found[1] < pixels
    assert coerced(stored[: found[1] - 3], ExplicitVRLittleEndian, coercion, whole=False) is None


@pytest.mark.parametrize("character_set", ["ISO_IR 100", None, "ISO_IR 6"])
def test_a_name_that_the_character_set_cannot_write_makes_all_of_it_unicode(character_set: str | None) -> None:
    name = "Miller^Änne" if character_set == "ISO_IR 100" else "Miller^Anne"
    stored = a_data_set(SpecificCharacterSet=character_set, PatientName=name, StationName="Röntgen")
    if character_set != "ISO_IR 100":
        stored.StationName = "X-ray"
    station = stored.StationName
    patient = SURVIVOR.model_copy(update={"ideographic_name": "三浦^愛"})
    found = as_retrieved(stored, Changed(patient=patient))
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert (str(found.PatientName), found.StationName) == ("Miller^Ada=三浦^愛", station)
    [before] = found.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert (before.get("SpecificCharacterSet") or None, before.PatientName) == (character_set, name)
    assert found.PixelData == bytes(range(256))


def test_earlier_originals_stay() -> None:
    earlier = Dataset()
    earlier.ModifyingSystem = "Importer"
    found = as_retrieved(a_data_set(OriginalAttributesSequence=Items([earlier])), Changed(patient=SURVIVOR))
    assert [item.ModifyingSystem for item in found.OriginalAttributesSequence] == ["Importer", "Filmjacket"]


def test_without_an_order_there_is_no_accession_number() -> None:
    found = as_retrieved(a_data_set(), Changed(without_order=True))
    assert found["AccessionNumber"].is_empty
    assert "RequestAttributesSequence" not in found
    [before] = found.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert before.AccessionNumber == "A1"

"""What a data set says above the level of the instance."""

from datetime import UTC, date, datetime

from fj_dicom import write
from fj_events import CodedConcept, StudyAttributes
from fj_packs.heads import CODES_MAX, read_head
from fj_packs.pack import Defaults, Identity, Member, Place, SeriesHead
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian


def a_code(**values: str) -> Dataset:
    code = Dataset()
    for keyword, value in values.items():
        setattr(code, keyword, value)
    return code


def head_of(**attributes: str | list[Dataset]) -> SeriesHead:
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    data = write(data_set, ExplicitVRLittleEndian)
    place = Place("1.2", "1.3", 0, len(data), 0, "", datetime.now(UTC))
    member = Member(place, "", Identity("1", "1.3", "1.2", "1.1", ExplicitVRLittleEndian), 1, None, None, None)
    return read_head(member, memoryview(data), Defaults("MAIN", "MAIN"))


def study_of(**sequences: list[Dataset]) -> StudyAttributes:
    return head_of(**sequences).study


def codes_of(*codes: Dataset) -> tuple[CodedConcept, ...]:
    return study_of(ProcedureCodeSequence=list(codes)).procedure_codes or ()


def test_procedure_codes_are_told_wherever_their_value_stands() -> None:
    codes = codes_of(
        a_code(CodeValue="K1", CodingSchemeDesignator="L", CodeMeaning="Knie links"),
        a_code(CodeMeaning="without a value"),
        a_code(LongCodeValue="K" * 20, CodingSchemeDesignator="L"),
    )
    assert codes == (
        CodedConcept(code="K1", text="Knie links", system="L"),
        CodedConcept(code="K" * 20, system="L"),
    )


def test_more_codes_than_a_fact_should_carry_are_cut() -> None:
    assert len(codes_of(*(a_code(CodeValue=str(number)) for number in range(40)))) == CODES_MAX


def test_what_was_requested_is_told_of_all_requests_and_else_of_the_study() -> None:
    knee, hip = (a_code(CodeValue=code, CodingSchemeDesignator="L") for code in ("K1", "H1"))
    requests = []
    for codes in ([knee], [knee, hip], []):
        request = Dataset()
        request.RequestedProcedureCodeSequence = codes
        requests.append(request)
    both = (CodedConcept(code="K1", system="L"), CodedConcept(code="H1", system="L"))
    of_all = study_of(RequestAttributesSequence=requests, RequestedProcedureCodeSequence=[hip])
    assert of_all.requested_procedure_codes == both
    assert of_all.procedure_codes is None
    assert study_of(RequestedProcedureCodeSequence=[hip]).requested_procedure_codes == both[1:]
    assert study_of(RequestAttributesSequence=requests[2:]).requested_procedure_codes is None


def test_when_the_performed_step_began_is_told_as_far_as_it_can_be_read() -> None:
    told = head_of(PerformedProcedureStepStartDate="20260302", PerformedProcedureStepStartTime="0915").series
    assert (told.performed_step_start_date, told.performed_step_start_time) == (date(2026, 3, 2), "0915")
    told = head_of(PerformedProcedureStepStartDate="").series
    assert (told.performed_step_start_date, told.performed_step_start_time) == (None, None)

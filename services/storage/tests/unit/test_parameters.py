"""Query parameters of QIDO-RS."""

from datetime import date

import pytest
from storage_service.domain.search import ATTRIBUTES, Alike, AnyOf, Condition, Dates, Level, Like, Moments, Times
from storage_service.entrypoints.dicomweb.parameters import BadParameter, Request, read

MOST = 100
STUDY_PATH = AnyOf(ATTRIBUTES["StudyInstanceUID"], ("1.2",))


def ask(query: str, level: Level = Level.STUDY, path: tuple[Condition, ...] = ()) -> Request:
    pairs = [part.partition("=") for part in query.split("&") if part]
    return read([(name, value) for name, _, value in pairs], level, path, MOST)


def any_of(keyword: str, *values: str | int) -> Condition:
    return AnyOf(ATTRIBUTES[keyword], values)


def like(keyword: str, *patterns: str) -> Condition:
    return Like(ATTRIBUTES[keyword], patterns)


@pytest.mark.parametrize(
    ("query", "level", "condition"),
    [
        ("PatientID=P1", Level.STUDY, any_of("PatientID", "P1")),
        ("00100020=P1", Level.STUDY, any_of("PatientID", "P1")),
        ("0020000d=1.2.3", Level.STUDY, any_of("StudyInstanceUID", "1.2.3")),
        ("PatientID=P*", Level.STUDY, like("PatientID", "P*")),
        ("PatientName=ex?mple*", Level.STUDY, like("PatientName", "ex?mple*")),
        ("PatientName=Example^Ada", Level.STUDY, like("PatientName", "Example^Ada")),
        ("StudyDescription=CT", Level.STUDY, like("StudyDescription", "CT")),
        ("AccessionNumber= A1 ", Level.STUDY, any_of("AccessionNumber", "A1")),
        ("StudyInstanceUID=1.2,1.3", Level.STUDY, any_of("StudyInstanceUID", "1.2", "1.3")),
        ("StudyInstanceUID=1.2\\1.3", Level.STUDY, any_of("StudyInstanceUID", "1.2", "1.3")),
        ("ModalitiesInStudy=CT,MR", Level.STUDY, any_of("ModalitiesInStudy", "CT", "MR")),
        ("ModalitiesInStudy=C*", Level.STUDY, like("ModalitiesInStudy", "C*")),
        ("Modality=CT", Level.SERIES, any_of("Modality", "CT")),
        ("SeriesNumber=3", Level.SERIES, any_of("SeriesNumber", 3)),
        ("PatientID=P1", Level.INSTANCE, any_of("PatientID", "P1")),
        (
            "RequestAttributesSequence.ScheduledProcedureStepID=S1",
            Level.SERIES,
            any_of("RequestAttributesSequence.ScheduledProcedureStepID", "S1"),
        ),
        ("00081032.00080100=MRHEAD", Level.STUDY, any_of("ProcedureCodeSequence.CodeValue", "MRHEAD")),
        ("ProcedureCodeSequence.CodeValue=A,B", Level.SERIES, any_of("ProcedureCodeSequence.CodeValue", "A", "B")),
        (
            "ProcedureCodeSequence.CodingSchemeDesignator=L",
            Level.STUDY,
            any_of("ProcedureCodeSequence.CodingSchemeDesignator", "L"),
        ),
        ("00321064.00080100=MRHEAD", Level.STUDY, any_of("RequestedProcedureCodeSequence.CodeValue", "MRHEAD")),
        (
            "RequestedProcedureCodeSequence.CodeMeaning=MR, head",
            Level.STUDY,
            any_of("RequestedProcedureCodeSequence.CodeMeaning", "MR, head"),
        ),
        ("00400275.00401001=R1", Level.SERIES, any_of("RequestAttributesSequence.RequestedProcedureID", "R1")),
        ("SOPClassUID=1.2.840.10008.5.1.4.1.1.2", Level.INSTANCE, any_of("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2")),
    ],
)
def test_matching(query: str, level: Level, condition: Condition) -> None:
    assert ask(query, level).search.conditions == (condition,)


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("20260302", date(2026, 3, 2), date(2026, 3, 2)),
        ("20260301-20260331", date(2026, 3, 1), date(2026, 3, 31)),
        ("20260301-", date(2026, 3, 1), None),
        ("-20260331", None, date(2026, 3, 31)),
    ],
)
def test_dates(value: str, first: date | None, last: date | None) -> None:
    assert ask(f"StudyDate={value}").search.conditions == (Dates(ATTRIBUTES["StudyDate"], first, last),)


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [("10", "10", "10"), ("0930-1015", "0930", "1015"), ("-101530.5", None, "101530.5"), ("2359-", "2359", None)],
)
def test_times(value: str, first: str | None, last: str | None) -> None:
    assert ask(f"StudyTime={value}").search.conditions == (Times(ATTRIBUTES["StudyTime"], first, last),)


@pytest.mark.parametrize("value", ["", "*", "**", " "])
def test_universal_matching_asks_nothing(value: str) -> None:
    assert ask(f"PatientName={value}").search.conditions == ()


@pytest.mark.parametrize(
    ("query", "level", "parameter"),
    [
        ("Nonsense=1", Level.STUDY, "Nonsense"),
        ("99999999=1", Level.STUDY, "99999999"),
        ("<script>=1", Level.STUDY, "a parameter"),
        ("PatientAge=1", Level.STUDY, "PatientAge"),
        ("Modality=CT", Level.STUDY, "Modality"),
        ("PerformedProcedureStepStartDate=20260302", Level.STUDY, "PerformedProcedureStepStartDate"),
        ("PerformedProcedureStepStartTime=9", Level.SERIES, "PerformedProcedureStepStartTime"),
        ("SOPInstanceUID=1.2", Level.SERIES, "SOPInstanceUID"),
        ("NumberOfStudyRelatedSeries=1", Level.STUDY, "NumberOfStudyRelatedSeries"),
        ("ScheduledProcedureStepID=1", Level.SERIES, "ScheduledProcedureStepID"),
        ("CodeValue=MRHEAD", Level.STUDY, "CodeValue"),
        ("ProcedureCodeSequence.CodeValue=MR*", Level.STUDY, "ProcedureCodeSequence.CodeValue"),
        ("ProcedureCodeSequence.CodeMeaning=MR*", Level.STUDY, "ProcedureCodeSequence.CodeMeaning"),
        ("ProcedureCodeSequence.RequestedProcedureID=1", Level.STUDY, "ProcedureCodeSequence.RequestedProcedureID"),
        ("ProcedureCodeSequence=MR", Level.STUDY, "ProcedureCodeSequence"),
        ("StudyDate=2026-03-02", Level.STUDY, "StudyDate"),
        ("StudyDate=20261301", Level.STUDY, "StudyDate"),
        ("StudyDate=20260302*", Level.STUDY, "StudyDate"),
        ("StudyDate=-", Level.STUDY, "StudyDate"),
        ("StudyTime=25", Level.STUDY, "StudyTime"),
        ("StudyInstanceUID=1.2.*", Level.STUDY, "StudyInstanceUID"),
        ("StudyInstanceUID=1.2,", Level.STUDY, "StudyInstanceUID"),
        ("SeriesNumber=two", Level.SERIES, "SeriesNumber"),
        ("SeriesNumber=99999999999", Level.SERIES, "SeriesNumber"),
        ("limit=-1", Level.STUDY, "limit"),
        ("limit=ten", Level.STUDY, "limit"),
        ("limit=1&limit=2", Level.STUDY, "limit"),
        ("offset=1.5", Level.STUDY, "offset"),
        ("fuzzymatching=maybe", Level.STUDY, "fuzzymatching"),
        ("includefield=Nonsense", Level.STUDY, "Nonsense"),
        (f"PatientName={'x' * 300}", Level.STUDY, "PatientName"),
    ],
)
def test_what_does_not_fit_is_named_and_its_value_is_not(query: str, level: Level, parameter: str) -> None:
    with pytest.raises(BadParameter) as error:
        ask(query, level)
    assert error.value.parameter == parameter


def test_paging_is_bounded() -> None:
    assert (ask("").search.limit, ask("").search.offset) == (MOST, 0)
    assert (ask("limit=7&offset=14").search.limit, ask("limit=7&offset=14").search.offset) == (7, 14)
    assert ask("limit=5000").search.limit == MOST


def test_fuzzy_matching_compares_words_of_names_and_leaves_patterns_as_they_are() -> None:
    assert ask("PatientName=Mul").search.conditions == (like("PatientName", "Mul"),)
    assert ask("PatientName=Mul&fuzzymatching=true").search.conditions == (Alike(ATTRIBUTES["PatientName"], "Mul"),)
    assert ask("fuzzymatching=true&PatientName=Mul*^Jos*").search.conditions == (
        Alike(ATTRIBUTES["PatientName"], "Mul^Jos"),
    )
    for query in ("fuzzymatching=false&PatientName=Mul", "fuzzymatching=true&PatientName=*ul"):
        assert ask(query).search.conditions == (like("PatientName", query.rpartition("=")[2]),)


def test_a_date_and_its_time_are_one_moment() -> None:
    (asked,) = ask("StudyTime=10-11&StudyDate=20260302-20260303").search.conditions
    assert asked == Moments(
        Dates(ATTRIBUTES["StudyDate"], date(2026, 3, 2), date(2026, 3, 3)), Times(ATTRIBUTES["StudyTime"], "10", "11")
    )


def test_the_date_and_time_of_a_performed_step_are_one_moment_beside_those_of_its_study() -> None:
    asked = ask(
        "PerformedProcedureStepStartTime=09-10&StudyDate=20260302&00400244=20260302-&StudyTime=08-", Level.SERIES
    )
    day = date(2026, 3, 2)
    assert set(asked.search.conditions) == {
        Moments(Dates(ATTRIBUTES["StudyDate"], day, day), Times(ATTRIBUTES["StudyTime"], "08", None)),
        Moments(
            Dates(ATTRIBUTES["PerformedProcedureStepStartDate"], day, None),
            Times(ATTRIBUTES["PerformedProcedureStepStartTime"], "09", "10"),
        ),
    }


def keywords(request: Request) -> set[str]:
    return {attribute.keyword for attribute in request.search.fields}


def test_returned_are_the_levels_that_the_path_leaves_open() -> None:
    assert {"StudyDate", "PatientName", "NumberOfStudyRelatedInstances"} <= keywords(ask(""))
    assert {"PatientName", "Modality"} <= keywords(ask("", Level.SERIES))
    below = keywords(ask("", Level.SERIES, (STUDY_PATH,)))
    assert {"StudyInstanceUID", "SeriesInstanceUID", "Modality"} <= below
    assert "PatientName" not in below


def test_include_fields_by_keyword_tag_list_and_all() -> None:
    assert "IssuerOfPatientID" not in keywords(ask(""))
    assert "IssuerOfPatientID" in keywords(ask("includefield=00081030,00100021"))
    assert "IssuerOfPatientID" in keywords(ask("includefield=all"))
    assert "PatientName" in keywords(ask("includefield=PatientName", Level.SERIES, (STUDY_PATH,)))
    assert ask("includefield=PatientAge").search.fields == ask("").search.fields  # DICOM knows it, the index does not

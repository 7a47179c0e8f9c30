"""C-FIND over DIMSE, by pynetdicom's and DCMTK's requestors."""

import asyncio
import subprocess
from datetime import date

import httpx
import pytest
from fj_events import CodedConcept, SeriesAttributes, StudyAttributes
from fj_testing import Feed, eventually
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.scu import FIND_LIMIT, PATIENT_ROOT_FIND, Answers, Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
RELATIONAL, COMBINED, FUZZY = b"\1\0\0\0\0", b"\0\1\0\0\0", b"\0\0\1\0\0"


async def indexed(feed: Feed, packer: Packer, http: httpx.AsyncClient, *exams: Exam, images: int = 2) -> None:
    """Each exam with one series of images, searchable."""
    for exam in exams:
        await feed.publish(await packer.ship(exam, exam.images(images)))
    for exam in exams:
        await eventually(lambda uid=exam.study_uid: _has(http, uid))  # type: ignore[misc]  # bound at once


async def _has(http: httpx.AsyncClient, uid: str) -> bool:
    return bool((await http.get(f"/dicomweb/studies?StudyInstanceUID={uid}")).json())


def uids(answers: Answers) -> set[str]:
    return {str(identifier.StudyInstanceUID) for identifier in answers.identifiers}


async def test_a_study_is_found_by_each_key_with_what_was_asked_for(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam, other = Exam(family_name="Quartz", study_date=date(2021, 5, 6)), Exam(family_name="Quarry")
    await indexed(feed, packer, http, exam, other)
    keys: tuple[dict[str, object], ...] = (
        {"PatientID": exam.patient_number},
        {"PatientName": "QUARTZ^*"},
        {"PatientName": "Quartz^Ada"},
        {"AccessionNumber": exam.accession},
        {"StudyInstanceUID": [exam.study_uid, "1.2.3"]},
        {"StudyDate": "20210506", "PatientName": "Quar*"},
        {"StudyDate": "-20211231", "PatientName": "Quar?z*"},
        {"ModalitiesInStudy": ["CT", "MR"], "PatientName": "quartz*"},
        {"SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.2", "PatientName": "quartz*"},
    )
    for key in keys:
        for implicit in (False, True):
            found = await workstation.finds(a_query("STUDY", "StudyInstanceUID", **key), implicit=implicit)
            assert uids(found) == {exam.study_uid}, key
            assert [status.Status for status in found.statuses] == [0xFF00, 0x0000]
    query = a_query(
        "STUDY",
        "StudyDate", "StudyTime", "PatientName", "PatientBirthDate", "PatientSex", "ModalitiesInStudy",
        "SOPClassesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
        "NumberOfPatientRelatedStudies", "InstanceAvailability", StudyInstanceUID=exam.study_uid,
    )  # fmt: skip
    (answer,) = (await workstation.finds(query)).identifiers
    assert (answer.QueryRetrieveLevel, answer.RetrieveAETitle, answer.InstanceAvailability) == (
        "STUDY",
        "FJ_QR",
        "ONLINE",
    )
    assert (answer.PatientName, answer.PatientBirthDate, answer.PatientSex) == ("Quartz^Ada", "19700401", "F")
    assert (answer.StudyDate, answer.StudyTime, answer.ModalitiesInStudy) == ("20210506", "101530", "CT")
    assert answer.SOPClassesInStudy == "1.2.840.10008.5.1.4.1.1.2"
    assert (answer.NumberOfStudyRelatedSeries, answer.NumberOfStudyRelatedInstances) == (1, 2)
    assert answer.NumberOfPatientRelatedStudies == 1
    assert "AccessionNumber" not in answer


async def test_all_levels_below_a_patient(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam(family_name="Ladder")
    again = Exam(patient_number=exam.patient_number, family_name="Ladder", study_date=date(2026, 4, 1))
    images = exam.images(3)
    series = SeriesAttributes(number=4, modality="CT", scheduled_step_id="S9", requested_procedure_id="R9")
    await feed.publish(await packer.ship(exam, images, series=series))
    await indexed(feed, packer, http, exam, again)
    path = {"PatientID": exam.patient_number}
    (patient,) = (
        await workstation.finds(
            a_query("PATIENT", "PatientID", "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances",
                    PatientName="ladder*"),
            PATIENT_ROOT_FIND,
        )
    ).identifiers  # fmt: skip
    assert (patient.PatientID, patient.NumberOfPatientRelatedStudies) == (exam.patient_number, 2)
    assert patient.NumberOfPatientRelatedInstances == 7
    studies = await workstation.finds(a_query("STUDY", "StudyInstanceUID", **path), PATIENT_ROOT_FIND)
    assert [one.StudyInstanceUID for one in studies.identifiers] == [again.study_uid, exam.study_uid]
    path["StudyInstanceUID"] = exam.study_uid
    step = Dataset()
    step.ScheduledProcedureStepID, step.RequestedProcedureID = "S9", None
    query = a_query("SERIES", "SeriesInstanceUID", "NumberOfSeriesRelatedInstances", "Modality",
                    RequestAttributesSequence=Items([step]), **path)  # fmt: skip
    (found,) = (await workstation.finds(query, PATIENT_ROOT_FIND)).identifiers
    assert (found.SeriesInstanceUID, found.NumberOfSeriesRelatedInstances, found.Modality) == (
        images[0].series,
        3,
        "CT",
    )
    (item,) = found.RequestAttributesSequence
    assert (item.ScheduledProcedureStepID, item.RequestedProcedureID) == ("S9", "R9")
    step.ScheduledProcedureStepID = "S8"
    assert (await workstation.finds(query, PATIENT_ROOT_FIND)).identifiers == []
    path["SeriesInstanceUID"] = images[0].series
    below = await workstation.finds(
        a_query("IMAGE", "SOPInstanceUID", "Rows", InstanceNumber="2", **path), PATIENT_ROOT_FIND
    )
    assert [(one.SOPInstanceUID, one.Rows, one.InstanceNumber) for one in below.identifiers] == [(images[1].uid, 16, 2)]


async def test_a_query_needs_its_path_unless_it_is_relational(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    await indexed(feed, packer, http, exam)
    query = a_query("SERIES", "SeriesInstanceUID", "StudyInstanceUID", AccessionNumber=exam.accession)
    refused = (await workstation.finds(query)).final
    assert (refused.Status, refused.OffendingElement) == (0xA900, 0x0020000D)
    assert refused.ErrorComment == "StudyInstanceUID: one value is needed in a hierarchical query"
    assert uids(await workstation.finds(query, options=RELATIONAL)) == {exam.study_uid}


@pytest.mark.parametrize(
    ("query", "offending"),
    [
        (a_query("PATIENT", "PatientID"), 0x00080052),
        (a_query("", "PatientID"), 0x00080052),
        (a_query("STUDY", StudyDate="20261301"), 0x00080020),
        (a_query("STUDY", StudyInstanceUID="1.2.*"), 0x0020000D),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_element(
    workstation: Workstation, query: Dataset, offending: int
) -> None:
    (refused,) = (await workstation.finds(query)).statuses
    assert (refused.Status, refused.OffendingElement) == (0xA900, offending)
    assert "20261301" not in refused.ErrorComment


async def test_keys_that_the_index_does_not_have_come_back_empty(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    await indexed(feed, packer, http, exam)
    found = await workstation.finds(a_query("STUDY", "PatientAge", "Modality", StudyInstanceUID=exam.study_uid))
    assert [status.Status for status in found.statuses] == [0xFF01, 0x0000]
    assert found.identifiers[0].PatientAge in {None, ""}


async def test_names_alike_are_found_with_and_without_accents(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam, other = Exam(family_name="Müller-Lüdenscheidt"), Exam(family_name="Moller")
    fact = await packer.ship(exam, exam.images(1))
    patient = fact.patient.model_copy(update={"ideographic_name": "山田^太郎", "phonetic_name": "ヤマダ^タロウ"})
    await feed.publish(fact.model_copy(update={"patient": patient}))
    await indexed(feed, packer, http, other)
    await eventually(lambda: _has(http, exam.study_uid))
    for name in ("muller", "Ada^MULL*", "Ludensch", "müller^ad", "山田", "ﾔﾏﾀﾞ"):
        query = a_query("STUDY", "StudyInstanceUID", "PatientName", SpecificCharacterSet="ISO_IR 192", PatientName=name)
        found = await workstation.finds(query, options=FUZZY)
        assert uids(found) == {exam.study_uid}, name
        assert str(found.identifiers[0].PatientName) == "Müller-Lüdenscheidt^Ada=山田^太郎=ヤマダ^タロウ"
        qido = await http.get("/dicomweb/studies", params={"PatientName": name, "fuzzymatching": "true"})
        assert [one["0020000D"]["Value"] for one in qido.json()] == [[exam.study_uid]], name
    for name in ("uller", "muller^eve"):
        assert (await workstation.finds(a_query("STUDY", PatientName=name), options=FUZZY)).identifiers == []
    assert (await workstation.finds(a_query("STUDY", PatientName="muller"))).identifiers == []


async def test_the_requests_character_set_is_understood_and_answered_where_it_suffices(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam, greek = Exam(family_name="Ångström"), Exam()
    fact = await packer.ship(greek, greek.images(1))
    await feed.publish(fact.model_copy(update={"patient": fact.patient.model_copy(update={"family_name": "Ωμέγα"})}))
    await indexed(feed, packer, http, exam)
    await eventually(lambda: _has(http, greek.study_uid))
    for given, name, uid, answered in (
        ("ISO_IR 100", "Ångström", exam.study_uid, "ISO_IR 100"),
        ("ISO_IR 192", "Ångström", exam.study_uid, "ISO_IR 192"),
        (None, "Ångström", exam.study_uid, "ISO_IR 192"),
        ("ISO_IR 100", "Ωμέγα", greek.study_uid, "ISO_IR 192"),
    ):
        query = a_query("STUDY", "PatientName", SpecificCharacterSet=given, StudyInstanceUID=uid)
        (answer,) = (await workstation.finds(query)).identifiers
        assert (answer.SpecificCharacterSet, answer.PatientName.family_name) == (answered, name)
    query = a_query("STUDY", "StudyInstanceUID", SpecificCharacterSet="ISO_IR 100", PatientName="ångström*")
    assert uids(await workstation.finds(query)) == {exam.study_uid}


async def test_date_and_time_are_one_moment_where_that_was_agreed(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    first, second = (Exam(family_name="Moment", study_date=date(2019, 1, day)) for day in (1, 2))  # both at 10:15:30
    await indexed(feed, packer, http, first, second)
    query = a_query(
        "STUDY", "StudyInstanceUID", PatientName="Moment*", StudyDate="20190101-20190102", StudyTime="11-09"
    )
    assert uids(await workstation.finds(query)) == set()
    query.StudyTime = "1015-0900"
    assert uids(await workstation.finds(query, options=COMBINED)) == {first.study_uid}
    query.StudyTime = "1100-1015"
    assert uids(await workstation.finds(query, options=COMBINED)) == {second.study_uid}


async def test_too_many_matches_end_in_words(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    await indexed(feed, packer, http, exam, images=FIND_LIMIT + 1)
    query = a_query("IMAGE", "SOPInstanceUID", StudyInstanceUID=exam.study_uid)
    found = await workstation.finds(query, options=RELATIONAL)
    assert (len(found.identifiers), found.final.Status) == (FIND_LIMIT, 0xA700)
    assert found.final.ErrorComment == f"more than {FIND_LIMIT} match: some were not sent"
    query.InstanceNumber = "7"
    assert (await workstation.finds(query, options=RELATIONAL)).final.Status == 0x0000


async def test_dcmtk_asks(dimse_port: int, feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam(family_name="Toolkit")
    await indexed(feed, packer, http, exam)
    for command in (
        ["echoscu", "-aec", "FJ_QR", "127.0.0.1", str(dimse_port)],
        ["findscu", "-S", "-aec", "FJ_QR", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=TOOLK*",
         "-k", "StudyInstanceUID", "127.0.0.1", str(dimse_port)],
    ):  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
    assert exam.study_uid in done.stdout + done.stderr


async def test_a_study_is_found_by_the_code_of_its_procedure(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, workstation: Workstation
) -> None:
    exam, other = Exam(), Exam()
    for one, code in ((exam, "C1"), (other, "C2")):
        codes = (CodedConcept(code=code, text="Chest", system="L"), CodedConcept(code="C3", system="L"))
        study = StudyAttributes(study_date=one.study_date, procedure_codes=codes)
        await feed.publish(await packer.ship(one, one.images(1), study=study))
    await indexed(feed, packer, http, exam, other)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "C1", "L", None
    query = a_query("STUDY", "StudyInstanceUID", ProcedureCodeSequence=Items([item]))
    (found,) = (await workstation.finds(query)).identifiers
    assert found.StudyInstanceUID == exam.study_uid
    assert [(each.CodeValue, each.CodeMeaning) for each in found.ProcedureCodeSequence] == [("C1", "Chest"), ("C3", "")]
    item.CodeMeaning = "Knee"
    assert (await workstation.finds(query)).identifiers == []
    item.CodingSchemeDesignator, item.CodeMeaning = "DCM", None
    assert (await workstation.finds(query)).identifiers == []
    item.CodeValue, item.CodingSchemeDesignator = "C*", None
    assert (await workstation.finds(query)).final.Status == 0xA900


async def test_a_study_is_found_by_the_code_of_the_procedure_that_was_requested(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, workstation: Workstation
) -> None:
    exam, other = Exam(), Exam()
    for one, code in ((exam, "Q1"), (other, "Q2")):
        asked_for = (CodedConcept(code=code, text="Chest", system="L"),)
        study = StudyAttributes(study_date=one.study_date, requested_procedure_codes=asked_for)
        await feed.publish(await packer.ship(one, one.images(1), study=study))
    await indexed(feed, packer, http, exam, other)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "Q1", None, None
    query = a_query("STUDY", "StudyInstanceUID", RequestedProcedureCodeSequence=Items([item]), ProcedureCodeSequence=[])
    (found,) = (await workstation.finds(query)).identifiers
    assert found.StudyInstanceUID == exam.study_uid
    [code] = found.RequestedProcedureCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("Q1", "L", "Chest")
    assert not found.ProcedureCodeSequence

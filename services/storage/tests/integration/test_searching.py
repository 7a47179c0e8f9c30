"""QIDO-RS over HTTP."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import httpx
import pytest
from fj_events import CodedConcept, SeriesAttributes, StudyAttributes
from fj_testing import Feed, eventually
from storage_service.adapters import modalities
from storage_service.adapters.search import statement
from storage_service.adapters.sql import Pool
from storage_service.domain.search import ATTRIBUTES, AnyOf, Dates, Level, Search

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]


async def indexed(feed: Feed, packer: Packer, http: httpx.AsyncClient, *exams: Exam) -> None:
    """Each exam with one series of two images, searchable."""
    for exam in exams:
        await feed.publish(await packer.ship(exam, exam.images(2)))
    both = f"StudyInstanceUID={','.join(exam.study_uid for exam in exams)}"

    async def here() -> bool:
        return len(await found(http, both)) == len(exams)

    await eventually(here)


async def found(http: httpx.AsyncClient, query: str, resource: str = "/studies") -> list[Any]:
    answer = await http.get(f"/dicomweb{resource}?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    results: list[Any] = answer.json()
    return results


def uids(results: Sequence[Any], tag: str = "0020000D") -> set[str]:
    return {result[tag]["Value"][0] for result in results}


async def test_a_study_is_found_by_each_of_its_keys_and_by_no_others(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam(family_name="Zebra", description="MR head", modality="MR", study_date=date(2021, 5, 6))
    other = Exam(family_name="Zobel", description="CT head", study_date=date(2022, 5, 6))
    await indexed(feed, packer, http, exam, other)
    for query in (
        f"PatientID={exam.patient_number}",
        f"00100020={exam.patient_number}",
        f"AccessionNumber={exam.accession}",
        f"AccessionNumber=*{exam.accession}&PatientName=*",
        f"StudyInstanceUID={exam.study_uid},1.2.3",
        "PatientName=zebra^ada",
        "PatientName=ZEBRA*",
        "PatientName=Z?bra*",
        "PatientName=*ebr*",
        "ModalitiesInStudy=MR,PT&PatientName=z*",
        "ModalitiesInStudy=M*&PatientName=z*",
        "StudyDate=20210506",
        "StudyDate=20210101-20211231&PatientName=z*",
        "StudyDate=-20210506&PatientName=z*",
        "StudyDescription=mr%20head",
        "StudyDate=20210506&StudyTime=10-11",
        "PatientBirthDate=19700401&PatientName=zeb*",
        "PatientSex=F&PatientName=zeb*",
    ):
        assert uids(await found(http, query)) == {exam.study_uid}, query
    for query in (
        "PatientName=z%25",  # a percent sign is no wildcard
        "PatientID=p999999",
        "StudyDate=20210507-20220505&PatientName=z*",
        "StudyDate=20210506&StudyTime=11",
        "ModalitiesInStudy=US&PatientName=z*",
        "AccessionNumber=a000001",  # case matters
    ):
        assert await found(http, query) == [], query


async def test_a_study_result_has_its_attributes_and_counts(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    await indexed(feed, packer, http, exam)
    await feed.publish(await packer.ship(exam, exam.images(1, 2), series=SeriesAttributes(number=2, modality="SR")))
    await eventually(lambda: found(http, f"StudyInstanceUID={exam.study_uid}&ModalitiesInStudy=SR"))
    (result,) = await found(http, f"StudyInstanceUID={exam.study_uid}")
    assert list(result) == sorted(result)
    assert result["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert result["00080020"] == {"vr": "DA", "Value": ["20260302"]}
    assert result["00080030"] == {"vr": "TM", "Value": ["101530"]}
    assert result["00080050"] == {"vr": "SH", "Value": [exam.accession]}
    assert result["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert result["00080061"] == {"vr": "CS", "Value": ["CT", "SR"]}
    assert result["00080090"] == {"vr": "PN"}
    assert result["00081190"]["Value"] == [f"{http.base_url}/dicomweb/studies/{exam.study_uid}"]
    assert result["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Example^Ada"}]}
    assert result["00201206"] == {"vr": "IS", "Value": [2]}
    assert result["00201208"] == {"vr": "IS", "Value": [3]}
    assert "00100021" not in result
    (whole,) = await found(http, f"StudyInstanceUID={exam.study_uid}&includefield=all")
    assert whole["00100021"] == {"vr": "LO", "Value": ["MAIN"]}
    assert whole["00080062"] == {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}
    assert whole["00201200"] == {"vr": "IS", "Value": [1]}
    assert whole["00201204"] == {"vr": "IS", "Value": [3]}


async def test_a_study_is_found_by_the_codes_of_its_procedures(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam, other = Exam(), Exam()
    codes = (CodedConcept(code="K1", text="Knee", system="L"), CodedConcept(code="K2", system="99X"))
    for one, procedures in ((exam, codes), (other, codes[1:])):
        study = StudyAttributes(study_date=one.study_date, procedure_codes=procedures)
        await feed.publish(await packer.ship(one, one.images(1), study=study))
    value, scheme = "ProcedureCodeSequence.CodeValue", "00081032.00080102"
    both = {exam.study_uid, other.study_uid}

    async def here() -> bool:
        return uids(await found(http, f"StudyInstanceUID={','.join(both)}")) == both

    await eventually(here)
    assert uids(await found(http, f"{value}=K2")) == both
    assert uids(await found(http, f"{value}=K1,K9&{scheme}=L")) == {exam.study_uid}
    assert uids(await found(http, f"{value}=K1", "/series")) == {exam.study_uid}
    assert await found(http, f"{value}=K2&{scheme}=L") == []
    (told,) = await found(http, f"StudyInstanceUID={exam.study_uid}&includefield=00081032")
    assert told["00081032"]["Value"] == [
        {
            "00080100": {"vr": "SH", "Value": ["K1"]},
            "00080102": {"vr": "SH", "Value": ["L"]},
            "00080104": {"vr": "LO", "Value": ["Knee"]},
        },
        {"00080100": {"vr": "SH", "Value": ["K2"]}, "00080102": {"vr": "SH", "Value": ["99X"]}},
    ]


async def test_a_study_is_found_by_what_its_images_say_was_requested_and_then_by_what_its_order_says(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, study_of: Callable[[Exam], Study]
) -> None:
    exam = Exam()
    study = StudyAttributes(
        study_date=exam.study_date,
        procedure_codes=(CodedConcept(code="DONE", system="L"),),
        requested_procedure_codes=(CodedConcept(code="ASKED", text="Chest, ap", system="L"),),
    )
    sequence, own = "RequestedProcedureCodeSequence", f"StudyInstanceUID={exam.study_uid}"

    async def is_found(*queries: str) -> bool:
        return all([await found(http, f"{own}&{query}") for query in queries])

    await feed.publish(await packer.ship(exam, exam.images(1), study=study))
    await eventually(lambda: is_found(f"{sequence}.CodeValue=ASKED&00321064.00080102=L"), within=20)
    assert await is_found(f"{sequence}.CodeMeaning=Chest, ap&ProcedureCodeSequence.CodeValue=DONE")
    assert not await is_found(f"{sequence}.CodeValue=DONE")
    assert not await is_found(f"{sequence}.CodeValue=ASKED&{sequence}.CodeMeaning=Knee")

    await feed.publish(exam.order(procedure=CodedConcept(code="ORDERED", text="CT of the chest")))
    await study_of(exam).told("study.matched.v1")
    await eventually(lambda: is_found(f"{sequence}.CodeValue=ORDERED"), within=20)
    # A further image of the same words changes nothing.
    await feed.publish(await packer.ship(exam, exam.images(1, 2), study=study))
    await study_of(exam).shows(2)
    assert not await is_found(f"{sequence}.CodeValue=ASKED")
    (told,) = await found(http, f"{own}&includefield={sequence}&includefield=ProcedureCodeSequence")
    assert told["00321064"]["Value"] == [
        {
            "00080100": {"vr": "SH", "Value": ["ORDERED"]},
            "00080102": {"vr": "SH", "Value": ["L"]},
            "00080104": {"vr": "LO", "Value": ["CT of the chest"]},
        }
    ]
    assert told["00081032"]["Value"][0]["00080100"]["Value"] == ["DONE"]
    assert (await study_of(exam).says("unlink")).is_success
    # Its images name that order's number: what they say of the request is said no more.
    assert not await is_found(f"{sequence}.CodeValue=ORDERED")
    assert not await is_found(f"{sequence}.CodeValue=ASKED")


async def test_series_and_instances_below_their_study_and_across(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = exam.images(3)
    series = SeriesAttributes(
        number=4, modality="CT", description="Lung", scheduled_step_id="S1", requested_procedure_id="R1"
    )
    await feed.publish(await packer.ship(exam, images, series=series))
    study = f"/studies/{exam.study_uid}"
    (result,) = await eventually(lambda: found(http, "", f"{study}/series"))
    assert result["0020000E"]["Value"] == [images[0].series]
    assert result["00201209"]["Value"] == [3]
    assert result["00200011"]["Value"] == [4]
    assert result["00400275"]["Value"] == [
        {"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH", "Value": ["R1"]}}
    ]
    assert "00100010" not in result
    (across,) = await found(http, f"PatientID={exam.patient_number}&Modality=CT", "/series")
    assert across["00100010"]["Value"] == [{"Alphabetic": "Example^Ada"}]
    assert await found(http, "RequestAttributesSequence.ScheduledProcedureStepID=S1", f"{study}/series") != []
    assert await found(http, "00400275.00400009=S2", f"{study}/series") == []

    for resource in (f"{study}/instances", f"{study}/series/{images[0].series}/instances"):
        instances = await found(http, "", resource)
        assert [one["00080018"]["Value"][0] for one in instances] == [image.uid for image in images]
        assert instances[0]["00280010"] == {"vr": "US", "Value": [16]}
        assert instances[0]["00081190"]["Value"][0].endswith(f"/series/{images[0].series}/instances/{images[0].uid}")
    (one,) = await found(http, f"SOPInstanceUID={images[1].uid}", "/instances")
    assert one["00200013"]["Value"] == [2]
    assert one["00100020"]["Value"] == [exam.patient_number]
    assert len(await found(http, "InstanceNumber=2", f"{study}/instances")) == 1


async def test_pages_are_in_order_and_more_is_announced(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exams = [Exam(family_name="Pager", study_date=date(2024, 1, day)) for day in (3, 1, 2)]
    await indexed(feed, packer, http, *exams)
    expected = [exams[0].study_uid, exams[2].study_uid, exams[1].study_uid]
    seen = []
    for offset in range(3):
        answer = await http.get(f"/dicomweb/studies?PatientName=Pager*&limit=1&offset={offset}")
        seen += [result["0020000D"]["Value"][0] for result in answer.json()]
        assert ("Warning" in answer.headers) is (offset < 2)
    assert seen == expected


async def test_nothing_found_is_an_empty_list(http: httpx.AsyncClient) -> None:
    assert await found(http, "PatientID=NOBODY") == []
    assert await found(http, "", "/studies/1.2.3/series") == []


@pytest.mark.parametrize("query", ["Nonsense=1", "StudyDate=yesterday", "limit=-1", "StudyInstanceUID=abc"])
async def test_a_bad_parameter_is_a_problem_without_its_value(http: httpx.AsyncClient, query: str) -> None:
    name, _, value = query.partition("=")
    answer = await http.get(f"/dicomweb/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["parameter"] == name
    assert value not in answer.json()["detail"]


async def test_dicom_json_and_xml_are_offered(http: httpx.AsyncClient) -> None:
    for accept in ("application/dicom+json", "application/json", "*/*", "text/html, application/dicom+json;q=0.1"):
        assert (await http.get("/dicomweb/studies?limit=1", headers={"Accept": accept})).status_code == 200
    for accept in ("application/dicom+xml", 'multipart/related; type="application/dicom"', "text/html"):
        assert (await http.get("/dicomweb/studies?limit=1", headers={"Accept": accept})).status_code == 406
    head = await http.head("/dicomweb/studies?limit=1")
    assert (head.status_code, head.content) == (200, b"")


async def test_studies_without_a_date_are_found_but_in_no_range(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam(family_name="Undated")
    images = exam.images(1)
    fact = await packer.ship(exam, images)
    await feed.publish(fact.model_copy(update={"study": fact.study.model_copy(update={"study_date": None})}))
    (result,) = await eventually(lambda: found(http, "PatientName=Undated*"))
    assert result["00080020"] == {"vr": "DA"}
    assert await found(http, "PatientName=Undated*&StudyDate=-20300101") == []
    dated = await packer.ship(exam, exam.images(1, 2))
    await feed.publish(dated)  # a later image knows the date: the study moves to its partition
    (result,) = await eventually(lambda: found(http, "PatientName=Undated*&StudyDate=20260302"))
    assert result["00201208"]["Value"] == [2]


async def test_who_was_merged_into_whom_is_looked_up_once_for_all_years(pool: Pool) -> None:
    search = Search(Level.STUDY, (AnyOf(ATTRIBUTES["PatientID"], ("P1",)),), (ATTRIBUTES["PatientName"],), 10, 0)
    sql, values = statement(search)
    plan = [row[0] for row in await pool.fetch(f"EXPLAIN (VERBOSE) {sql}", *values)]
    assert len([line for line in plan if "patient_number = ANY (" in line]) > 20
    assert sum("current_numbers" in line for line in plan) == 1


async def test_the_modalities_of_a_day_are_not_looked_up_among_those_of_the_whole_year(pool: Pool) -> None:
    modality = AnyOf(ATTRIBUTES["ModalitiesInStudy"], ("CT",))
    day = Dates(ATTRIBUTES["StudyDate"], date(2026, 3, 2), date(2026, 3, 2))
    for conditions, looked_up in (((modality,), True), ((modality, day), False)):
        (where,) = modalities.wheres(conditions, lambda _: "$1")
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            told = await connection.fetch(f"EXPLAIN SELECT FROM study s WHERE {where}", ["CT"])
        assert any("Index Cond" in row[0] and "modalities &&" in row[0] for row in told) is looked_up


async def test_studies_are_listed_by_accession_and_patient_number_or_neither(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    mine, other = Exam(), Exam()
    await indexed(feed, packer, http, mine, other)

    async def listed(**query: str) -> set[str]:
        answer = await http.get("/api/storage/studies", params=query)
        return {study["study_instance_uid"] for study in answer.json()}

    assert await listed(accession=str(mine.accession)) == {mine.study_uid}
    assert await listed(patient_id=str(mine.patient_number)) == {mine.study_uid}
    assert await listed(accession=str(mine.accession), patient_id=str(mine.patient_number)) == {mine.study_uid}
    assert await listed(accession=str(mine.accession), patient_id=str(other.patient_number)) == set()
    assert await listed() >= {mine.study_uid, other.study_uid}

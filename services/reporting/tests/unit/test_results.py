"""What the door for results understands: how final it is, and where a sender names its exam."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from fj_doors import Subject
from fj_doors.explaining import Explanation, explain
from fj_hl7 import AckCode, Profiles
from fj_runtime import Sites
from reporting_service.entrypoints.explain import understood
from reporting_service.entrypoints.mllp import KINDS

SUBJECT = Subject("results", tuple(KINDS), partial(understood, Sites.load(None)))
PROFILE = """
profiles:
  ODD:
    senders: [{application: ODD}]
    issuers: {accession: ODD-RIS}
    places:
      accession_number: [ZBE-2, OBR-4.1]
      study_instance_uid: ["OBX[3=STUDIE]-5"]
      result_status: ["OBX[3=STATUS]-5", ZBE-3]
    codes:
      result_status: {FREIGEGEBEN: F, ENTWURF: P}
"""


def oru(whole: str, *observations: str, application: str = "DICT") -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|{application}|GENERAL|FJ|FJ|202603020900||ORU^R01^ORU_R01|C1|P|2.5.1",
            "PID|1||P1^^^GENERAL^MR||Example^Ada",
            "OBR|1|PL1^EHR|A1|CTCHEST^CT chest^L" + "|" * 18 + f"20260302090000|||{whole}",
            *observations,
        )
    ).encode()


def obx(status: str, value: str = "clear", code: str = "18748-4") -> str:
    return f"OBX|1|TX|{code}^Report^LN||{value}||||||{status}"


def mdm(whole: str, *observations: str) -> bytes:
    head = "MSH|^~\\&|DICT|GENERAL|FJ|FJ|202603020900||MDM^T02^MDM_T02|C1|P|2.5.1"
    txa = f"TXA|1|DI|TX|20260302091400{'|' * 10}PL1^EHR|A1^RIS||{whole}"
    return "\r".join((head, "PID|1||P1^^^GENERAL^MR||Example^Ada", txa, *observations)).encode()


def told(raw: bytes, profiles: Profiles | None = None) -> Explanation:
    [explained] = asyncio.run(explain(SUBJECT, raw, profiles or Profiles()))
    return explained


def status(raw: bytes) -> str:
    explained = told(raw)
    assert explained.answer.code is AckCode.AA, explained.answer.errors
    [lines] = explained.parts
    return next(line.understood for line in lines if line.name == "result_status")


def refused(raw: bytes) -> tuple[str, str, int]:
    answer = told(raw).answer
    assert answer.code is AckCode.AE
    [error] = answer.errors
    return error.code, error.segment, error.field


@pytest.mark.parametrize(
    ("whole", "each", "is_then"),
    [
        ("F", "FF", "F"),
        ("F", "FP", "P"),
        ("F", "FR", "P"),
        ("F", "FS", "P"),
        ("F", "IF", "P"),
        ("F", "FU", "F"),
        ("F", "FC", "C"),
        ("F", "CP", "P"),
        ("C", "FF", "C"),
        ("P", "FF", "P"),
        ("F", "NOXF", "F"),
        ("F", "XX", "F"),
    ],
)
def test_a_result_is_as_final_as_its_least_final_observation(whole: str, each: str, is_then: str) -> None:
    assert status(oru(whole, *map(obx, each))) == is_then


def test_a_document_is_no_more_final_than_what_stands_in_it() -> None:
    assert status(mdm("AU", obx("F"), obx("F"))) == "F"
    assert status(mdm("AU", obx("F"), obx("P"))) == "P"
    assert status(mdm("DI", obx("F"))) == "P"
    assert refused(mdm("", obx("F"))) == ("101", "TXA", 17)


def test_an_observation_without_a_status_among_others_that_have_one_is_not_verified() -> None:
    shifted = "OBX|2|CE|309088003^Renal Mass^SCT|1|C65.2^Neoplasm^ICD-10|||||||F"
    raw = oru("F", obx("F"), shifted)
    assert status(raw) == "P"
    message = told(raw).message
    assert message is not None
    assert any("OBX-11" in warning for warning in message.warnings)
    assert status(oru("F", obx(""), obx(""))) == "F"


def test_without_a_status_of_the_whole_the_observations_say_it() -> None:
    assert status(oru("", obx("F"))) == "F"
    assert status(oru("", obx("F"), obx("I"))) == "P"
    assert refused(oru("", obx(""))) == ("101", "OBR", 25)
    assert refused(oru("", obx("X"))) == ("101", "OBR", 25)


@pytest.mark.parametrize("code", ["D", "W", "Q"])
def test_what_takes_results_back_is_refused_by_its_observation(code: str) -> None:
    assert refused(oru("F", obx("F"), obx(code))) == ("103", "OBX", 11)


def test_a_profile_says_where_a_sender_names_its_exam_and_how_final_it_is(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(PROFILE)
    raw = oru(
        "F",
        obx("F", "Freigegeben".upper(), "STATUS"),
        obx("F", "1.2.840.7", "STUDIE"),
        obx("F"),
        "ZBE|1|B77",
        application="ODD",
    )
    explained = told(raw, Profiles.load(tmp_path))
    assert explained.answer.code is AckCode.AA, explained.answer.errors
    [lines] = explained.parts
    said = {line.name: (line.place, line.understood, line.rule) for line in lines}
    assert said["accession_number"] == ("ZBE-2", "B77 of ODD-RIS", "profile 1 of 2")
    assert said["study_instance_uid"] == ("OBX[3=STUDIE]-5", "1.2.840.7", "profile 1 of 1")
    assert said["result_status"] == ("OBX[3=STATUS]-5", "F", "profile 1 of 2, codes.result_status")
    assert said["placer_order_number"] == ("OBR-2", "PL1 of EHR", "standard 1 of 2")
    assert said["text"][1] == "clear"

    wrong = told(raw.replace(b"FREIGEGEBEN", b"UNKLAR").replace(b"1.2.840.7", b"1.2.x"), Profiles.load(tmp_path))
    assert [(error.code, error.segment, error.sequence, error.field) for error in wrong.answer.errors] == [
        ("103", "OBX", 1, 5)
    ]

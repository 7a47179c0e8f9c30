"""Images without an order that show somebody else than their number is of are nobody's until a person says."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fj_events import PatientPhi, PatientRegistered, PatientUpdated, Sex, Source
from fj_testing import Feed, Log, eventually, merged, unmerged
from pydicom import Dataset

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study, facts_of, types_of

pytestmark = pytest.mark.servers
WHY = {"reason": "asked the patient"}


def registered(exam: Exam, **said: Any) -> PatientRegistered:
    """Whose the number of this exam is."""
    patient = exam.patient.model_copy(update={"given_name": "Ada", **said})
    return PatientRegistered.model_validate(
        {"site": "MAIN", "patient_id": exam.patient_id, "source": Source.HL7, "provisional": False, "patient": patient}
    )


def corrected(fact: PatientRegistered, **said: Any) -> PatientUpdated:
    patient = fact.patient.model_copy(update=said)
    return PatientUpdated.model_validate(dict(fact) | {"patient": patient})


def ben(exam: Exam) -> PatientPhi:
    return exam.patient.model_copy(update={"family_name": "Okafor", "given_name": "Ben", "sex": Sex.MALE})


async def of_ben(exam: Exam, packer: Packer, series: int = 1) -> Any:
    """Images that show Ben under the number of this exam, without an accession number."""
    images = exam.images(1, series, PatientName="Okafor^Ben", PatientSex="M")
    return await packer.ship(exam, images, patient=ben(exam))


async def listed(tess: httpx.AsyncClient, exam: Exam) -> set[str]:
    entries = (await tess.get("/exceptions", params={"limit": 500})).json()
    return {entry["kind"] for entry in entries if entry["study_instance_uid"] == exam.study_uid}


async def shows(http: httpx.AsyncClient, exam: Exam, name: str, comment: str = "") -> None:
    """QIDO-RS says so, and so does what is retrieved."""

    async def said() -> bool:
        found = (await http.get("/dicomweb/studies", params={"StudyInstanceUID": exam.study_uid})).json()
        if not found:
            return False
        study = Dataset.from_json(found[0])
        return (str(study.PatientName).split("^")[0], str(study.get("StudyComments") or "")) == (name, comment)

    await eventually(said, within=20, what=f"{name} {comment}")
    described = (await http.get(f"/dicomweb/studies/{exam.study_uid}/metadata")).json()
    assert {str(Dataset.from_json(one, lambda *_: b"").PatientName).split("^")[0] for one in described} == {name}


ANOTHER = "unconfirmed: another name, sex than the patient of its number"


@pytest.mark.parametrize("first", ["registration", "images"])
async def test_they_keep_their_own_name_and_are_listed_until_a_person_confirms(
    tess: httpx.AsyncClient, feed: Feed, packer: Packer, study_of: Callable[[Exam], Study], first: str
) -> None:
    exam = Exam(accession=None)
    http, log = study_of(exam).http, study_of(exam).log
    facts = [registered(exam), await of_ben(exam, packer)]
    for fact in facts if first == "registration" else facts[::-1]:
        await feed.publish(fact)
    await shows(http, exam, "Okafor", ANOTHER)
    [fact] = await log.wait_for(
        "study-events", where=lambda r: r.key == exam.study_uid and r.body.get("contradicted_by") == ["name", "sex"]
    )
    assert (fact.type, fact.body.get("unconfirmed_order_id")) == ("study.unmatched.v1", None)
    assert await listed(tess, exam) == {"unconfirmed_study"}
    findings = (await tess.get(f"/studies/{exam.study_uid}/registration")).json()
    said = {each["criterion"]: (each["agreement"], each["images"], each["order"]) for each in findings}
    assert said["name"] == ("differs", "Okafor, Ben", "Example, Ada")

    for _ in range(2):
        answer = await tess.post(f"/studies/{exam.study_uid}/confirm", json=WHY)
        assert (answer.status_code, answer.json()["contradicted_by"]) == (200, [])
    await shows(http, exam, "Example")
    [act] = await facts_of(log, exam, "study.relinked.v1")
    assert (act.body["act"], act.body["actor"], act.body.get("order_id")) == ("confirm", "tess", None)
    await facts_of(log, exam, "study.available.v1")
    await feed.publish(await of_ben(exam, packer, 2))
    await facts_of(log, exam, "study.updated.v1")
    await shows(http, exam, "Example")

    assert (await tess.post(f"/studies/{exam.study_uid}/undo", json=WHY)).status_code == 200
    await shows(http, exam, "Okafor", ANOTHER)
    assert await listed(tess, exam) == {"unconfirmed_study"}


async def test_an_order_for_the_confirmed_patient_has_them(
    tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    await feed.publish(registered(exam), await of_ben(exam, packer))
    await facts_of(log, exam, "study.unmatched.v1")
    assert (await tess.post(f"/studies/{exam.study_uid}/confirm", json=WHY)).status_code == 200
    await feed.publish(exam.order())
    await facts_of(log, exam, "study.matched.v1")


async def test_a_registration_that_is_corrected_confirms_them_and_one_that_is_not_does_not(
    http: httpx.AsyncClient, tess: httpx.AsyncClient, feed: Feed, packer: Packer
) -> None:
    exam = Exam(accession=None)
    registration = registered(exam)
    await feed.publish(registration, await of_ben(exam, packer))
    await shows(http, exam, "Okafor", ANOTHER)
    await feed.publish(corrected(registration, given_name="Adele"))
    await feed.publish(corrected(registration, family_name="Okafor-Smith", given_name="Ben", sex=Sex.MALE))
    await shows(http, exam, "Okafor-Smith")

    async def is_unmatched() -> bool:
        return await listed(tess, exam) == {"unmatched_study"}

    await eventually(is_unmatched, within=20)
    refused = await tess.post(f"/studies/{exam.study_uid}/confirm", json=WHY)
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")


async def test_a_merge_into_the_patient_whom_they_show_confirms_them_until_it_is_undone(
    http: httpx.AsyncClient, feed: Feed, packer: Packer
) -> None:
    exam, other = Exam(accession=None), Exam(family_name="Okafor")
    assert exam.patient_id
    assert other.patient_id
    shown = ben(other)
    number = registered(exam)
    await feed.publish(number, await of_ben(exam, packer))
    await shows(http, exam, "Okafor", ANOTHER)
    merge = merged((exam.patient_id, number.patient), (other.patient_id, shown))
    await feed.publish(merge)
    await shows(http, exam, "Okafor")
    await feed.publish(unmerged(merge))
    await shows(http, exam, "Okafor", ANOTHER)


async def test_what_a_person_took_off_an_order_is_not_given_to_the_patient_of_its_number(
    http: httpx.AsyncClient, tess: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    await feed.publish(registered(exam), exam.order(), await of_ben(exam, packer))

    async def is_linked() -> bool:
        """Not before both the study and the order are known."""
        order = {"order_id": str(exam.order_id)}
        return (await tess.post(f"/studies/{exam.study_uid}/link", json=WHY | order)).status_code == 200

    await eventually(is_linked)
    await shows(http, exam, "Example")
    taken_off = (await tess.post(f"/studies/{exam.study_uid}/unlink", json=WHY)).json()
    assert taken_off["contradicted_by"] == ["name", "sex"]
    await shows(http, exam, "Okafor", ANOTHER)
    assert await listed(tess, exam) == {"unconfirmed_study"}
    assert "study.matched.v1" not in await types_of(log, exam)


async def test_a_name_that_is_nobodys_or_only_typed_otherwise_is_the_registered_one(
    http: httpx.AsyncClient, feed: Feed, packer: Packer
) -> None:
    typed, nobody = Exam(accession=None), Exam(accession=None)
    await feed.publish(registered(typed, family_name="Meyer"), registered(nobody, family_name="Meyer"))
    for exam, name in ((typed, "Meier"), (nobody, "Unknown")):
        patient = exam.patient.model_copy(update={"family_name": name})
        images = exam.images(1, PatientName=f"{name}^Ada")
        await feed.publish(await packer.ship(exam, images, patient=patient))
    for exam in (typed, nobody):
        await shows(http, exam, "Meyer")

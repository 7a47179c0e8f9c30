"""Rejection notes and persons' rejections (IHE IOCM): what is not to be used is kept, not shown, and comes back."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fj_testing import Feed, Log, eventually
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage, generate_uid

from services.storage.tests.builders import Exam, Image, Packer, items
from services.storage.tests.scu import Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
PERSON = {"X-FJ-User": "pacs.admin"}
QUALITY, SAFETY, WORKLIST, RETENTION = "113001", "113037", "113038", "113039"


def a_code(value: str, scheme: str = "DCM") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, "a title"
    return code


def a_note(exam: Exam, images: Sequence[Image], title: Dataset) -> Image:
    """A Key Object Selection document in a series of its own that names these images (PS3.3 A.35.4)."""
    series = Dataset()
    series.SeriesInstanceUID = images[0].series
    series.ReferencedSOPSequence = items(*(_reference(image) for image in images))
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = exam.study_uid, items(series)
    return exam.image(
        generate_uid(),
        99,
        1,
        SOPClassUID=KeyObjectSelectionDocumentStorage,
        Modality="KO",
        ConceptNameCodeSequence=items(title),
        CurrentRequestedProcedureEvidenceSequence=items(study),
    )


def _reference(image: Image) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.data_set.SOPClassUID, image.uid
    return reference


class Doors:
    """What the doors show of an exam."""

    def __init__(self, http: httpx.AsyncClient, exam: Exam) -> None:
        self._http = http
        self._exam = exam
        self.study = f"/dicomweb/studies/{exam.study_uid}"
        self.api = f"/api/storage/studies/{exam.study_uid}"

    async def instances(self) -> set[str]:
        found = (await self._http.get(f"{self.study}/instances")).json()
        return {one["00080018"]["Value"][0] for one in found}

    async def described(self) -> set[str]:
        answer = await self._http.get(f"{self.study}/metadata")
        return {one["00080018"]["Value"][0] for one in answer.json()} if answer.status_code == 200 else set()

    async def counts(self) -> tuple[int, int, list[str]] | None:
        """Instances, series and modalities of the study as a search has them; None where it is not found."""
        found = (await self._http.get("/dicomweb/studies", params={"StudyInstanceUID": self._exam.study_uid})).json()
        if not found:
            return None
        number, series = (found[0][tag]["Value"][0] for tag in ("00201208", "00201206"))
        return number, series, found[0]["00080061"]["Value"]

    async def show(self, *images: Image) -> None:
        wanted = {image.uid for image in images}

        async def shown() -> bool:
            return await self.instances() == wanted

        await eventually(shown, within=20)
        assert await self.described() == wanted

    async def retrieved(self, image: Image) -> int:
        address = f"{self.study}/series/{image.series}/instances/{image.uid}"
        return (
            await self._http.get(address, headers={"Accept": 'multipart/related; type="application/dicom"'})
        ).status_code

    async def told(self, log: Log, type_: str, count: int = 1) -> list[dict[str, Any]]:
        async def here() -> list[dict[str, Any]]:
            records = [one for one in await log.read("study-events") if one.key == self._exam.study_uid]
            return [one.body for one in records if one.type == type_]

        async def enough() -> bool:
            return len(await here()) >= count

        await eventually(enough, within=20)
        return await here()


async def test_a_safety_note_hides_what_it_names_and_itself_at_every_door(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log, workstation: Workstation
) -> None:
    exam = Exam()
    images, doors = exam.images(3), Doors(http, exam)
    await feed.publish(await packer.ship(exam, images))
    await doors.show(*images)
    note = a_note(exam, images[:1], a_code(SAFETY))
    await feed.publish(await packer.ship(exam, [note]))
    (fact,) = await doors.told(log, "study.rejected.v1")
    assert (fact["rejection_id"], fact["code"]["code"]) == (note.uid, SAFETY)
    assert (fact["number_rejected"], fact["number_of_instances"]) == (2, 2)
    assert sum(series["number_of_instances"] for series in fact["series"]) == 2

    await doors.show(*images[1:])
    assert await doors.counts() == (2, 1, ["CT"])
    assert [await doors.retrieved(image) for image in (*images, note)] == [404, 200, 200, 404]
    got = await workstation.gets(a_query("STUDY", StudyInstanceUID=exam.study_uid), [ExplicitVRLittleEndian])
    assert {one.uid for one in got.received} == {image.uid for image in images[1:]}
    query = a_query("IMAGE", "SOPInstanceUID", StudyInstanceUID=exam.study_uid, SeriesInstanceUID=images[0].series)
    found = await workstation.finds(query)
    assert {one.SOPInstanceUID for one in found.identifiers} == {image.uid for image in images[1:]}


async def test_what_is_rejected_for_quality_is_given_to_who_names_it(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log, workstation: Workstation
) -> None:
    exam = Exam()
    images, doors = exam.images(2), Doors(http, exam)
    note = a_note(exam, images[:1], a_code(QUALITY))
    await feed.publish(await packer.ship(exam, images))
    await feed.publish(await packer.ship(exam, [note]))
    await doors.told(log, "study.rejected.v1")
    await doors.show(images[1], note)
    assert await doors.retrieved(images[0]) == 200
    named = a_query(
        "IMAGE", StudyInstanceUID=exam.study_uid, SeriesInstanceUID=images[0].series, SOPInstanceUID=images[0].uid
    )
    got = await workstation.gets(named, [ExplicitVRLittleEndian])
    assert [one.uid for one in got.received] == [images[0].uid]


async def test_a_rejection_that_comes_before_its_images_waits_for_them(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam = Exam()
    images, doors = exam.images(2), Doors(http, exam)
    await feed.publish(await packer.ship(exam, [a_note(exam, images[:1], a_code(WORKLIST))]))
    (fact,) = await doors.told(log, "study.rejected.v1")
    assert fact["number_of_instances"] == 0
    await feed.publish(await packer.ship(exam, images))
    await doors.show(images[1])
    assert await doors.counts() == (1, 1, ["CT"])


async def test_the_same_note_again_changes_nothing_after_a_person_has_taken_it_back(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam = Exam()
    images, doors = exam.images(2), Doors(http, exam)
    note = a_note(exam, images, a_code(SAFETY))
    shipped = await packer.ship(exam, [note])
    await feed.publish(await packer.ship(exam, images))
    await feed.publish(shipped)
    await doors.told(log, "study.rejected.v1")
    assert await doors.counts() is None

    restored = await http.post(f"{doors.api}/restore", json={"reason": "the wrong patient"}, headers=PERSON)
    assert (restored.status_code, restored.json()) == (200, {"number_of_instances": 3})
    await doors.show(*images, note)
    (fact,) = await doors.told(log, "study.reinstated.v1")
    assert (fact["actor"], fact["rejection_ids"]) == ("pacs.admin", [note.uid])

    other = exam.images(1, series_number=5)
    await feed.publish(shipped)
    await feed.publish(await packer.ship(exam, other))
    await doors.show(*images, note, *other)
    assert len(await doors.told(log, "study.rejected.v1")) == 1


async def test_a_key_object_document_that_rejects_nothing_is_an_instance_like_any(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam = Exam()
    images, doors = exam.images(2), Doors(http, exam)
    of_interest = a_note(exam, images, a_code("113000"))
    foreign = a_note(exam, images, a_code(SAFETY, "99SITE"))
    last = a_note(exam, images[:1], a_code(SAFETY))
    for some in (images, [of_interest], [foreign], [last]):
        await feed.publish(await packer.ship(exam, some))
    await doors.told(log, "study.rejected.v1")
    await doors.show(images[1], of_interest, foreign)


async def test_a_person_rejects_a_series_and_takes_back_that_alone(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam = Exam()
    images, others, doors = exam.images(2), exam.images(2, series_number=2), Doors(http, exam)
    for some in (images, others):
        await feed.publish(await packer.ship(exam, some))
    await doors.show(*images, *others)
    said = {"series": others[0].series, "code": SAFETY, "reason": "another patient's"}
    for _ in range(2):
        answer = await http.post(f"{doors.api}/reject", json=said, headers=PERSON | {"Idempotency-Key": "reject"})
        assert (answer.status_code, answer.json()) == (200, {"number_of_instances": 2})
    one = {"series": images[0].series, "instances": [images[0].uid], "code": QUALITY, "reason": "moved"}
    await http.post(f"{doors.api}/reject", json=one, headers=PERSON)
    await doors.show(images[1])
    series = (await http.get(f"{doors.study}/series")).json()
    assert [each["0020000E"]["Value"][0] for each in series] == [images[0].series]

    first, second = (await http.get(f"{doors.api}/rejections")).json()
    assert (first["series"], second["instances"]) == ([others[0].series], [images[0].uid])
    assert (first["actor"], first["reason"]) == ("pacs.admin", "another patient's")
    back = {"rejection_id": first["rejection_id"], "reason": "it is ours"}
    for _ in range(2):
        restored = await http.post(f"{doors.api}/restore", json=back, headers=PERSON | {"Idempotency-Key": "restore"})
        assert (restored.status_code, restored.json()) == (200, {"number_of_instances": 3})
    await doors.show(images[1], *others)
    assert (await http.post(f"{doors.api}/restore", json=back, headers=PERSON)).status_code == 409


async def test_only_a_named_person_rejects_and_only_what_is_here(
    http: httpx.AsyncClient, feed: Feed, packer: Packer
) -> None:
    exam = Exam()
    images, doors = exam.images(1), Doors(http, exam)
    await feed.publish(await packer.ship(exam, images))
    await doors.show(*images)
    said = {"code": SAFETY, "reason": "wrong"}
    assert (await http.post(f"{doors.api}/reject", json=said)).status_code == 401
    assert (await http.post("/api/storage/studies/1.2.3/reject", json=said, headers=PERSON)).status_code == 404
    for wrong in ({"code": "113000"}, {"reason": ""}, {"instances": [images[0].uid]}):
        assert (await http.post(f"{doors.api}/reject", json=said | wrong, headers=PERSON)).status_code == 422
    await doors.show(*images)

"""Storage commitment: from the request's facts to the N-EVENT-REPORT at the modality."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fj_events import CommitmentRequested, SopReference
from fj_testing import Feed, Log, ServiceProcess, eventually
from pydicom.uid import CTImageStorage, MRImageStorage, generate_uid

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.scu import Modality

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]


def a_request(
    images: Sequence[Image], *further: SopReference, caller: str = "CT1", part: int = 1, parts: int = 1, **changed: Any
) -> CommitmentRequested:
    references = [SopReference(sop_class_uid=CTImageStorage, sop_instance_uid=image.uid) for image in images]
    fields: dict[str, Any] = {
        "site": "MAIN",
        "transaction_uid": str(generate_uid()),
        "calling_ae_title": caller,
        "requested_at": datetime.now(UTC),
        "part": part,
        "parts": parts,
        "number_of_references": len(images) + len(further),
        "references": (*references, *further),
    }
    return CommitmentRequested(**fields | changed)


async def of(http: httpx.AsyncClient, request: CommitmentRequested) -> dict[str, Any]:
    """The request as operators see it; empty while it is not known."""
    found = (await http.get("/api/storage/commitments")).json()
    return next((one for one in found if one["transaction_uid"] == request.transaction_uid), {})


async def test_what_is_here_is_committed_and_the_modality_is_told(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, log: Log, peer_ports: dict[str, int]
) -> None:
    exam = Exam()
    images = exam.images(3)
    request = a_request(images)
    with Modality("CT1", peer_ports["CT1"]) as modality:
        await feed.publish(await packer.ship(exam, images), request)
        await eventually(lambda: modality.reports, within=20)
    (report,) = modality.reports
    assert (report.caller.strip(), report.event_type) == ("FJ_STORE", 1)
    assert report.content.TransactionUID == request.transaction_uid
    assert report.content.RetrieveAETitle == "FJ_QR"
    committed = {
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in report.content.ReferencedSOPSequence
    }
    assert committed == {(CTImageStorage, image.uid) for image in images}
    assert "FailedSOPSequence" not in report.content
    (fact,) = await log.wait_for("study-events", where=lambda record: record.key == request.transaction_uid)
    assert fact.type == "study.commitment_answered.v1"
    assert (fact.body["number_committed"], fact.body["failed"]) == (3, [])

    async def closed() -> bool:
        return (await of(http, request)).get("state") == "DELIVERED"

    await eventually(closed)


async def test_what_is_not_here_of_another_class_gone_or_damaged_fails_with_its_reason(
    feed: Feed, packer: Packer, log: Log, peer_ports: dict[str, int]
) -> None:
    exam = Exam()
    good, gone, damaged = exam.images(1), exam.images(1), exam.images(1)
    facts = [await packer.ship(exam, images) for images in (good, gone, damaged)]
    await packer.store.delete(facts[1].pack.key)
    place = facts[2].instances[0].offset + facts[2].instances[0].length - 1
    whole = await packer.store.get(facts[2].pack.key)
    await packer.store.delete(facts[2].pack.key)
    await packer.store.put(facts[2].pack.key, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    stranger = SopReference(sop_class_uid=CTImageStorage, sop_instance_uid="1.2.3.4")
    misnamed = SopReference(sop_class_uid=MRImageStorage, sop_instance_uid=good[0].uid)
    request = a_request([*good, *gone, *damaged], stranger, misnamed)
    with Modality("CT1", peer_ports["CT1"]) as modality:
        await feed.publish(*facts, request)
        await eventually(lambda: modality.reports, within=20)
    (report,) = modality.reports
    assert report.event_type == 2
    assert [item.ReferencedSOPInstanceUID for item in report.content.ReferencedSOPSequence] == [good[0].uid]
    reasons = {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.content.FailedSOPSequence}
    assert reasons == {gone[0].uid: 0x0110, damaged[0].uid: 0x0110, "1.2.3.4": 0x0112, good[0].uid: 0x0119}
    (fact,) = await log.wait_for("study-events", where=lambda record: record.key == request.transaction_uid)
    assert (fact.body["number_committed"], fact.body["number_failed"]) == (1, 4)


async def test_a_request_that_is_early_waits_for_its_instances_and_its_other_half(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int]
) -> None:
    exam = Exam()
    first, second = exam.images(2), exam.images(1)
    early = a_request(first, parts=2, number_of_references=3)
    late = a_request(second, parts=2, part=2, number_of_references=3, transaction_uid=early.transaction_uid)
    with Modality("CT1", peer_ports["CT1"]) as modality:
        await feed.publish(early)
        await eventually(lambda: of(http, early), within=20)
        await feed.publish(late)
        await feed.publish(await packer.ship(exam, first), await packer.ship(exam, second))
        await eventually(lambda: modality.reports, within=20)
    (report,) = modality.reports
    assert report.event_type == 1
    assert [item.ReferencedSOPInstanceUID for item in report.content.ReferencedSOPSequence] == [
        image.uid for image in (*first, *second)
    ]


async def test_a_modality_that_is_away_is_told_later_by_whoever_runs_then(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int], storage: ServiceProcess
) -> None:
    exam = Exam()
    images = exam.images(1)
    request, stranger = a_request(images, caller="CT2"), a_request(images, caller="STRANGER")
    await feed.publish(await packer.ship(exam, images), request, stranger)

    async def refused() -> bool:
        return all([(await of(http, one)).get("attempts", 0) > 0 for one in (request, stranger)])

    await eventually(refused, within=20)
    entry = await of(http, request)
    assert (entry["state"], entry["last_error"]) == ("ANSWERED", "CT2 cannot be reached: ConnectionRefusedError")
    assert (await of(http, stranger))["last_error"] == "STRANGER is not in FJ_PEERS"
    storage.kill()
    storage.start()
    with Modality("CT2", peer_ports["CT2"]) as modality:
        await eventually(lambda: modality.reports, within=30)
    assert [report.content.TransactionUID for report in modality.reports] == [request.transaction_uid]

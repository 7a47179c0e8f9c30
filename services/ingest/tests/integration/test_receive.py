"""What a modality sends, through the real doors into a real object store and a real Kafka."""

import asyncio
import hashlib
import os
import tarfile
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fj_dicom import Store
from fj_events import StudyRetired, patient_key
from fj_testing import Feed, Services, eventually
from fj_testing.processes import PATIENT_NAMESPACE
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom.association import Association

from services.ingest.tests.builders import EXPLICIT, Modality, a_uid, an_instance, deflated, encoded, part10, send
from services.ingest.tests.conversation import Caller
from services.ingest.tests.doors import World

pytestmark = pytest.mark.servers
SETTINGS = {"INGEST_SEGMENT_IDLE": 1}


@pytest.fixture
def modality(world: World, dimse_port: int) -> Modality:
    return Modality(dimse_port)


async def test_an_instance_becomes_a_pack_and_a_fact(modality: Modality, world: World) -> None:
    sent = an_instance()
    assert await modality.store(sent) == [0x0000]
    (fact,) = await world.facts(sent.StudyInstanceUID)
    pack = await world.packs.get(fact["pack"]["key"])
    assert (len(pack), hashlib.sha256(pack).hexdigest()) == (fact["pack"]["size"], fact["pack"]["sha256"])
    assert await world.data_of(fact) == encoded(sent)
    assert hashlib.sha256(encoded(sent)).hexdigest() == fact["instances"][0]["sha256"]
    with tarfile.open(fileobj=BytesIO(pack)) as archive:
        member = archive.extractfile(f"{sent.SeriesInstanceUID}/{sent.SOPInstanceUID}")
        assert member is not None
        assert member.read() == await world.file_of(fact)


async def test_the_fact_tells_what_the_head_of_the_data_set_says(modality: Modality, world: World) -> None:
    sent = an_instance()
    await modality.store(sent)
    (fact,) = await world.facts(sent.StudyInstanceUID)
    assert (fact["site"], fact["source"], fact["calling_ae_title"]) == ("MAIN", "DIMSE", "CT9")
    assert fact["accession_number"] == {"value": "A4711", "issuer": "MAIN"}
    assert fact["patient_id"] == str(patient_key(UUID(PATIENT_NAMESPACE), "MAIN", "P4711"))
    patient = fact["patient"]
    assert (patient["family_name"], patient["given_name"]) == ("Müller", "Jörg")
    assert (patient["ideographic_name"], patient["birth_date"]) == ("山田^太郎", "1970-04-01")
    assert fact["study"]["description"] == "CT chest"
    assert (fact["series"]["modality"], fact["series"]["number"]) == ("CT", 2)
    assert (fact["instances"][0]["rows"], fact["instances"][0]["number"]) == (8, 1)


async def test_a_study_sent_again_leaves_no_second_fact_and_no_second_pack(modality: Modality, world: World) -> None:
    study = [an_instance("1.2.3.1", "1.2.3.1.1"), an_instance("1.2.3.1", "1.2.3.1.1")]
    await modality.store(*study)
    (first,) = await world.facts("1.2.3.1")
    await modality.store(*study, study[0])
    await world.journal_is_empty()
    new = an_instance("1.2.3.1", "1.2.3.1.1")
    await modality.store(study[0], new)
    facts = await world.facts("1.2.3.1", count=2)
    assert [[i["sop_instance_uid"] for i in fact["instances"]] for fact in facts] == [
        [sent.SOPInstanceUID for sent in study],
        [new.SOPInstanceUID],
    ]
    assert len(first["instances"]) == 2


async def test_what_comes_of_a_retired_study_is_stored_and_told_again(
    modality: Modality, world: World, feed: Feed, services: Services
) -> None:
    sent = an_instance("1.2.3.90", "1.2.3.90.1")
    await modality.store(sent)
    (first,) = await world.facts("1.2.3.90")
    now = datetime.now(UTC)
    retired = StudyRetired(
        site="MAIN",
        study_instance_uid="1.2.3.90",
        retirement_id=uuid4(),
        reason="10 years since study",
        removal_at=now,
        number_of_instances=1,
    )
    await feed.publish(retired)
    _, forgotten = await world.facts("1.2.3.90", count=2)
    assert (forgotten["retirement_id"], forgotten.get("received_again_at")) == (str(retired.retirement_id), None)
    await modality.store(sent)
    second = (await world.facts("1.2.3.90", count=3))[2]
    assert second["pack"]["key"] != first["pack"]["key"]
    assert await world.data_of(first) == await world.data_of(second)


async def test_other_bytes_under_the_same_uid_are_kept_too(modality: Modality, world: World) -> None:
    sent = an_instance()
    await modality.store(sent)
    await world.facts(sent.StudyInstanceUID)
    sent.StudyDescription = "CT abdomen"
    await modality.store(sent)
    facts = await world.facts(sent.StudyInstanceUID, count=2)
    assert len({fact["instances"][0]["sha256"] for fact in facts}) == 2


async def test_series_of_one_study_have_a_fact_each(modality: Modality, world: World) -> None:
    series = [a_uid(), a_uid()]
    await modality.store(*(an_instance("1.2.3.2", series[number % 2]) for number in range(6)))
    facts = await world.facts("1.2.3.2", count=2)
    assert {fact["series_instance_uid"]: len(fact["instances"]) for fact in facts} == dict.fromkeys(series, 3)
    assert len({fact["pack"]["key"] for fact in facts}) == 1


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
async def test_data_sets_stay_as_they_were_encoded(modality: Modality, world: World, syntax: str) -> None:
    sent = an_instance()
    data = encoded(sent, syntax)
    if syntax == DeflatedExplicitVRLittleEndian:
        data = deflated(data)
    assert await modality.run(lambda link: [send(link, sent, syntax, data)], syntax) == [0x0000]
    (fact,) = await world.facts(sent.StudyInstanceUID)
    assert await world.data_of(fact) == data
    assert fact["instances"][0]["transfer_syntax_uid"] == syntax
    assert fact["patient"]["family_name"] == "Müller"


async def test_encapsulated_pixel_data_is_checked_to_its_end(modality: Modality, world: World) -> None:
    syntax = str(JPEG2000Lossless)
    sent = an_instance()
    sent["PixelData"].VR = "OB"
    sent.PixelData = encapsulate([b"\xff\x4f" + bytes(200_000)])
    sent["PixelData"].is_undefined_length = True
    data = encoded(sent, syntax)
    statuses = await modality.run(
        lambda link: [send(link, sent, syntax, data[:-8]), send(link, sent, syntax, data)], syntax
    )
    assert statuses == [Store.CANNOT_UNDERSTAND, 0x0000]
    await world.facts(sent.StudyInstanceUID)


async def test_what_is_broken_is_refused_and_nothing_of_it_is_kept(modality: Modality, world: World) -> None:
    good = an_instance(pixels=300_000)
    data = encoded(good)

    def act(link: Association) -> list[int]:
        return [
            send(link, good, data=data[:-1000]),
            send(link, good, data=data[:100]),
            send(link, good, data=bytes(1000)),
            send(link, an_instance("1.2.3.5", SOPInstanceUID=""), sop_instance_uid="1.2.3"),
            send(link, an_instance(StudyInstanceUID="")),
            send(link, an_instance("1.2.3.5", SeriesInstanceUID="1.2.x")),
            send(link, an_instance("1.2.3.5"), sop_instance_uid="1.2.3"),
        ]

    assert await modality.run(act, EXPLICIT) == [Store.CANNOT_UNDERSTAND] * 6 + [Store.DATA_SET_MISMATCH]
    assert await modality.store(good) == [0x0000]
    (fact,) = await world.facts(good.StudyInstanceUID)
    assert len(fact["instances"]) == 1
    await world.journal_is_empty()
    assert "1.2.3.5" not in {record.key for record in await world.log.read("instance-events")}


async def test_a_wrong_called_title_is_rejected(world: World, dimse_port: int) -> None:
    link = await asyncio.to_thread(Modality(dimse_port, called="SOMEBODY").associate, EXPLICIT)
    assert link.is_rejected
    answer = link.acceptor.primitive
    assert answer is not None
    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 7)


async def test_an_unknown_transfer_syntax_is_not_accepted(world: World, dimse_port: int) -> None:
    link = await asyncio.to_thread(Modality(dimse_port).associate, "1.2.3.4.5")
    assert [context.result for context in link.rejected_contexts] == [4]


async def test_an_association_that_breaks_off_costs_only_its_last_message(world: World, dimse_port: int) -> None:
    whole, cut = an_instance("1.2.3.3"), an_instance("1.2.3.3", pixels=500_000)

    def breaks_off() -> int:
        caller = Caller(dimse_port)
        status = caller.stores(whole)
        caller.begins(cut)
        caller.aborts()
        return status

    assert await asyncio.to_thread(breaks_off) == 0x0000
    (fact,) = await world.facts("1.2.3.3")
    assert [instance["sop_instance_uid"] for instance in fact["instances"]] == [whole.SOPInstanceUID]


async def test_storescu_with_untouched_settings_meets_no_stall(world: World, dimse_port: int, tmp_path: Path) -> None:
    """Nagle against delayed acknowledgement costs 44 ms an instance: 200 would take 9 s."""
    for number in range(200):
        (tmp_path / f"{number}.dcm").write_bytes(part10(an_instance("1.2.3.4", "1.2.3.4.1", pixels=40_000)))
    command = ["storescu", "-aec", "FJ_STORE", "+sd", "127.0.0.1", str(dimse_port), str(tmp_path)]

    async def without_a_stall() -> bool:
        begun = time.monotonic()
        sender = await asyncio.create_subprocess_exec(*command, env={"PATH": os.environ["PATH"]})
        assert await sender.wait() == 0
        return time.monotonic() - begun < 6.0

    await eventually(without_a_stall)  # a busy machine may be slow once; a stall is there each time
    (fact,) = await world.facts("1.2.3.4")
    assert len(fact["instances"]) == 200


async def test_echoscu(world: World, dimse_port: int) -> None:
    sender = await asyncio.create_subprocess_exec("echoscu", "-aec", "FJ_STORE", "127.0.0.1", str(dimse_port))
    assert await sender.wait() == 0


async def test_a_segment_closes_when_its_association_is_idle(modality: Modality, world: World) -> None:
    sent = an_instance()
    link = await asyncio.to_thread(modality.associate, EXPLICIT)
    assert await asyncio.to_thread(send, link, sent) == 0x0000
    await world.facts(sent.StudyInstanceUID)
    assert await asyncio.to_thread(send, link, an_instance()) == 0x0000
    await asyncio.to_thread(link.release)

"""Plans, appointments and patients on their way out: what image managers and calendars hear, field by field."""

import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest
from fj_events import AppointmentNews
from fj_hl7 import Message
from fj_hl7.conformance import problems
from fj_testing import Feed, Log, ServiceProcess, Services, eventually, unmerged

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.hearing import SOON_AGAIN, deliveries, told
from services.ehr_sync.tests.listener import ACCEPT, NUMBER, REFUSE, Listener, Received

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
FIRST, SECOND = "20260303090000+0000", "20260303092000+0000"


@pytest.fixture(scope="module")
def ports(free_port: Callable[[], int]) -> tuple[int, int, int]:
    return free_port(), free_port(), free_port()


@pytest.fixture(scope="module")
def service(services: Services, ports: tuple[int, int, int]) -> ServiceProcess:
    old, new, ehr = ports
    return services.start(
        "ehr_sync",
        EHR_SYNC_HL7_DESTINATIONS=f"old=127.0.0.1:{old}/procedures+appointments+patients@2.3.1,"
        f"new=127.0.0.1:{new}/procedures+appointments+patients@2.5.1,"
        f"ehr=127.0.0.1:{ehr}/numbers+status",
        EHR_SYNC_REFUSALS_MAX=3,
        FJ_BUS_GROUP_INSTANCE_ID="only",  # or Kafka keeps the place of the dead for 10 s
        **SOON_AGAIN,
    )


@pytest.fixture
async def old(ports: tuple[int, int, int]) -> AsyncIterator[Listener]:
    async with Listener(ports[0]).up() as listener:
        yield listener


@pytest.fixture
async def new(ports: tuple[int, int, int]) -> AsyncIterator[Listener]:
    async with Listener(ports[1]).up() as listener:
        yield listener


@pytest.fixture(autouse=True)
async def ehr(ports: tuple[int, int, int]) -> AsyncIterator[Listener]:
    async with Listener(ports[2]).up() as listener:
        yield listener


def an_exam() -> Exam:
    return Exam(f"O{next(NUMBERS):03d}")


async def heard(listener: Listener, exam: Exam, *expected: str) -> list[Received]:
    await told(listener, exam, *expected)
    mine = [message for message in listener.taken if message.placer == exam.placer]
    for message in mine:
        assert problems(message.raw) == []
    return mine


async def test_an_image_manager_of_2_3_1_gets_orm_with_zds(facts: Feed, old: Listener, new: Listener) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.scheduled())
    [sent] = await heard(old, exam, "ORM NW SC")
    message = Message.parse(sent.raw)
    msh = message["MSH"]
    assert (msh.get(9), msh.get(9, 2), msh.get(12), msh.get(5)) == ("ORM", "O01", "2.3.1", "old")
    assert [segment.name for segment in message] == ["MSH", "PID", "PV1", "ORC", "OBR", "ORC", "OBR", "ZDS"]
    assert message["PID"].get(3) == f"P{exam.number}"
    zds = message["ZDS"]
    assert (zds.get(1), zds.get(1, 3), zds.get(1, 4)) == (exam.uid, "Application", "DICOM")
    for nth, (orc, obr, start) in enumerate(
        zip(message.segments("ORC"), message.segments("OBR"), (FIRST, SECOND), strict=True), start=1
    ):
        assert (orc.get(1), orc.get(5)) == ("NW", "SC")
        assert (orc.get(2), orc.get(2, 2), orc.get(3)) == (exam.placer, "EHR", exam.accession.value)
        assert (orc.get(7, 3), orc.get(7, 4), orc.get(7, 6)) == ("M20", start, "R")
        assert obr.raw(27) == orc.raw(7)
        assert (obr.get(1), obr.get(2), obr.get(3)) == (str(nth), exam.placer, exam.accession.value)
        assert obr.raw(4) == f"CTCHEST^CT chest^L^PR{nth - 1}^{('native', 'contrast')[nth - 1]}^L"
        accession = exam.accession.value
        assert (obr.get(18), obr.get(19), obr.get(20)) == (accession, accession, f"{accession}-{nth}")
        assert (obr.get(24), obr.raw(44)) == ("CT", "CTCHEST^CT chest^L")


async def test_an_image_manager_of_2_5_1_gets_omi_with_ipc(facts: Feed, old: Listener, new: Listener) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.scheduled())
    [sent] = await heard(new, exam, "OMI NW SC")
    message = Message.parse(sent.raw)
    msh = message["MSH"]
    assert (msh.raw(9), msh.get(12)) == ("OMI^O23^OMI_O23", "2.5.1")
    group = ["ORC", "TQ1", "OBR", "IPC"]
    assert [segment.name for segment in message] == ["MSH", "PID", "PV1", *group, *group]
    for nth, (orc, tq1, ipc, start) in enumerate(
        zip(*(message.segments(name) for name in ("ORC", "TQ1", "IPC")), (FIRST, SECOND), strict=True), start=1
    ):
        assert (orc.get(1), orc.get(5), orc.raw(7)) == ("NW", "SC", "")
        assert (tq1.raw(6), tq1.get(7), tq1.get(9)) == ("20^min", start, "R")
        accession = exam.accession.value
        assert [ipc.get(field) for field in range(1, 6)] == [accession, accession, exam.uid, f"{accession}-{nth}", "CT"]
        assert ipc.raw(6) == f"PR{nth - 1}^{('native', 'contrast')[nth - 1]}^L"
        assert (ipc.get(7), ipc.get(8), ipc.get(9)) == ("CT room", "Level 1", "CT1")
    assert {obr.raw(27) for obr in message.segments("OBR")} == {""}


async def test_what_happens_to_a_plan_follows_in_order(facts: Feed, old: Listener, new: Listener, log: Log) -> None:
    moved, cancelled, discontinued = an_exam(), an_exam(), an_exam()
    await facts.publish(moved.placed(), cancelled.placed(), discontinued.placed())
    await facts.publish(moved.scheduled(), moved.rescheduled(hour=14), moved.started(), moved.performed())
    await facts.publish(cancelled.scheduled(), cancelled.unscheduled())
    await facts.publish(discontinued.scheduled(), discontinued.started(), discontinued.discontinued())
    _, change, _ = await heard(old, moved, "ORM NW SC", "ORM XO SC", "ORM XO CM")
    assert change.field("ORC", 7, 4) == "20260303140000+0000"
    _, cancel = await heard(old, cancelled, "ORM NW SC", "ORM CA CA")
    assert Message.parse(cancel.raw)["ZDS"].get(1) == cancelled.uid
    await heard(old, discontinued, "ORM NW SC", "ORM DC CA")
    await heard(new, moved, "OMI NW SC", "OMI XO SC", "OMI XO CM")
    records = await deliveries(log, moved, 3, destination="old")
    assert [(r.body["kind"], r.body["message_type"], r.body["status"]) for r in records] == [
        ("procedures", "ORM^O01", "SC"),
        ("procedures", "ORM^O01", "SC"),
        ("procedures", "ORM^O01", "CM"),
    ]


async def test_appointments_are_told_as_siu(facts: Feed, old: Listener, new: Listener) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.scheduled(), exam.rescheduled(AppointmentNews.BOOKED))
    _, _, sent = await heard(new, exam, "OMI NW SC", "OMI XO SC", "SIU S12")
    message = Message.parse(sent.raw)
    names = ["MSH", "SCH", "TQ1", "PID", "PV1", "RGS", "AIS", "AIG", "RGS", "AIS", "AIG"]
    assert [segment.name for segment in message] == names
    sch, ais, aig = message["SCH"], message["AIS"], message["AIG"]
    assert (sch.get(2), sch.get(6, 2), sch.get(25)) == (exam.accession.value, "booked", "Booked")
    assert (sch.get(9), sch.get(10), sch.get(26), sch.get(27)) == ("40", "min", exam.placer, exam.accession.value)
    assert message["TQ1"].get(7) == FIRST
    assert (ais.get(2), ais.get(4), ais.get(7), ais.get(8)) == ("A", FIRST, "20", "min")
    assert (aig.get(3), aig.get(8)) == ("CT1", FIRST)
    _, _, early = await heard(old, exam, "ORM NW SC", "ORM XO SC", "SIU S12")
    assert (early.field("MSH", 12), early.field("SCH", 11, 4)) == ("2.4", FIRST)
    await facts.publish(exam.rescheduled(AppointmentNews.MOVED, hour=11), exam.missed())
    await facts.publish(exam.rescheduled(AppointmentNews.BOOKED, hour=11))
    await facts.publish(exam.rescheduled(AppointmentNews.GIVEN_UP, hour=17))
    later = ["OMI XO SC", "SIU S13", "SIU S26", "OMI XO SC", "SIU S12", "OMI XO SC", "SIU S15"]
    given_up = (await heard(new, exam, "OMI NW SC", "OMI XO SC", "SIU S12", *later))[-1]
    assert (given_up.field("SCH", 25), given_up.field("AIS", 2)) == ("Cancelled", "D")
    assert given_up.field("AIS", 4) == "20260303110000+0000", "the time that is given up"


async def test_patients_that_change_or_are_merged_are_told_as_adt(
    facts: Feed, old: Listener, new: Listener, log: Log
) -> None:
    gone, survivor = an_exam(), an_exam()
    provisional = gone.updated("Unsure").model_copy(update={"provisional": True})
    merge = gone.merged_into(survivor)
    await facts.publish(gone.registered(), provisional, gone.updated("Neu"), merge)
    for listener, update, version in ((old, "ADT A08", "2.3.1"), (new, "ADT A31", "2.5.1")):
        await eventually(lambda: len(listener.taken) >= 2, within=15)  # noqa: B023 - awaited in its own round
        changed, merged = listener.taken
        assert [one.says for one in listener.taken] == [update, "ADT A40"]
        assert [problems(one.raw) for one in listener.taken] == [[], []]
        assert (changed.field("PID", 3), changed.field("PID", 5)) == (f"P{gone.number}", "Neu")
        assert merged.field("MSH", 12) == version
        assert (merged.field("PID", 3), merged.field("MRG", 1)) == (f"P{survivor.number}", f"P{gone.number}")
        assert merged.field("MRG", 1, 4) == "GENERAL"
    told = await log.wait_for("delivery-events", where=lambda r: r.key == str(gone.patient_id), count=4)
    assert {(r.body["kind"], r.body["patient_id"]) for r in told} == {("patients", str(gone.patient_id))}
    assert sorted(r.body["message_type"] for r in told) == ["ADT^A08", "ADT^A31", "ADT^A40", "ADT^A40"]

    away = unmerged(merge).model_copy(update={"until": datetime.now(UTC)})
    await facts.publish(away, unmerged(merge))
    for listener, update in ((old, "ADT A08"), (new, "ADT A31")):
        await eventually(lambda: len(listener.taken) >= 3, within=15)  # noqa: B023 - awaited in its own round
        again = listener.taken[-1]
        assert [one.says for one in listener.taken[2:]] == [update], (
            "of a number that somebody else has nothing is told"
        )
        assert problems(again.raw) == []
        assert (again.field("PID", 3), again.field("PID", 5)) == (f"P{gone.number}", gone.who.family_name)


async def test_plans_of_an_unmerged_number_are_told_again_of_its_own_patient(
    facts: Feed, old: Listener, new: Listener
) -> None:
    gone, survivor, cancelled = an_exam(), an_exam(), an_exam()
    merge = gone.merged_into(survivor)
    await facts.publish(gone.registered(), survivor.registered(), gone.placed(), survivor.placed(), merge)
    await facts.publish(gone.scheduled(), gone.performed(), survivor.scheduled())
    others = cancelled.placed().model_copy(update={"patient_id": gone.patient_id})
    await facts.publish(others, cancelled.scheduled(), cancelled.unscheduled())
    _, done = await heard(new, gone, "OMI NW SC", "OMI XO CM")
    await heard(old, gone, "ORM NW SC", "ORM XO CM")
    await heard(new, cancelled, "OMI NW SC", "OMI CA CA")
    await heard(new, survivor, "OMI NW SC")
    assert done.field("PID", 3) == f"P{survivor.number}"
    undone = unmerged(merge)
    [cause] = await facts.publish(undone)
    await facts.repeat(undone, cause)
    *_, again = await heard(new, gone, "OMI NW SC", "OMI XO CM", "OMI XO CM")
    *_, early = await heard(old, gone, "ORM NW SC", "ORM XO CM", "ORM XO CM")
    for message in (again, early):
        assert (message.field("PID", 3), message.field("PID", 5)) == (f"P{gone.number}", gone.who.family_name)
        assert message.field("OBR", 3) == gone.accession.value
    await facts.publish(survivor.rescheduled())
    await heard(new, survivor, "OMI NW SC", "OMI XO SC")
    await heard(new, cancelled, "OMI NW SC", "OMI CA CA")


async def test_a_refused_plan_is_given_up_and_the_next_one_goes_on(
    facts: Feed, old: Listener, new: Listener, log: Log, service: ServiceProcess
) -> None:
    exam = an_exam()
    old.manner = lambda message: REFUSE if message.says == "ORM NW SC" else ACCEPT
    await facts.publish(exam.placed(), exam.scheduled(), exam.rescheduled(hour=15))
    await heard(old, exam, "ORM XO SC")
    refused = [message for message in old.seen if message.says == "ORM NW SC"]
    assert len(refused) == 3
    assert len({message.raw for message in refused}) == 1, "a repeated message is the same to the byte"
    records = await deliveries(log, exam, 3, destination="old")
    assert [r.type for r in records] == ["delivery.delayed.v1", "delivery.abandoned.v1", "delivery.delivered.v1"]
    async with httpx.AsyncClient(base_url=service.http) as http:
        query = {"exam": str(exam.order_id), "destination": "old", "state": "abandoned"}
        [found] = (await http.get("/api/ehr_sync/deliveries", params=query)).json()
    assert (found["kind"], found["message_type"], found["status"]) == ("procedures", "ORM^O01", "SC")


async def test_an_image_manager_that_is_away_hears_all_in_order_over_a_restart_of_ours(
    facts: Feed, ports: tuple[int, int, int], new: Listener, log: Log, service: ServiceProcess
) -> None:
    exam = an_exam()
    await facts.publish(exam.placed(), exam.scheduled(), exam.rescheduled(hour=16), exam.unscheduled())
    await heard(new, exam, "OMI NW SC", "OMI XO SC", "OMI CA CA")
    await log.wait_for(
        "delivery-events", where=lambda r: r.key == str(exam.order_id) and r.type == "delivery.delayed.v1", count=1
    )
    service.kill()
    service.start()
    async with Listener(ports[0]).up() as back:
        await heard(back, exam, "ORM NW SC", "ORM XO SC", "ORM CA CA")
    assert new.told(exam.placer) == ["OMI NW SC", "OMI XO SC", "OMI CA CA"], "who had it is not told again"


async def test_a_placer_is_asked_for_the_number_of_an_order_that_was_born_here(
    facts: Feed, ehr: Listener, log: Log
) -> None:
    exam, known = an_exam(), an_exam()
    ehr.manner = lambda message: NUMBER if message.says == "ORM SN SC" else ACCEPT
    await facts.publish(known.placed(), exam.born_here())

    def asked() -> list[Received]:
        return [message for message in ehr.taken if message.field("ORC", 3) == exam.accession.value]

    await eventually(asked, within=15)
    await facts.publish(exam.started())
    await eventually(lambda: len(asked()) == 2, within=15)
    wish, status = asked()
    assert problems(wish.raw) == []
    assert (wish.says, wish.field("ORC", 2), status.says) == ("ORM SN SC", "", "ORM SC IP")
    message = Message.parse(wish.raw)
    assert message["OBR"].get(4) == "CTCHEST"
    assert message["ZDS"].get(1) == exam.uid
    [delivered, _] = await deliveries(log, exam, 2)
    assert (delivered.body["kind"], delivered.type) == ("numbers", "delivery.delivered.v1")
    assert delivered.body["placer_order_number"] == {"value": f"EHR-{exam.accession.value}", "issuer": "EHR"}
    await facts.publish(exam.numbered(), exam.cancelled(actor="tess"))
    await heard(ehr, exam, "ORM OC CA")
    assert not [message for message in ehr.taken if message.placer == known.placer], "who has a number needs none"

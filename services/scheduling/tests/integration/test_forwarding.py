"""What modalities say by MPPS reaches other receivers: pynetdicom as their SCP, up, down and in between."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fj_testing import Log, ServiceProcess, Services, eventually
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]  # made at import

from services.scheduling.tests.builders import Modality, a_series, ended, in_progress

pytestmark = pytest.mark.servers
USER = {"X-FJ-User": "tess"}


@dataclass
class Receiver:
    """Another system that wants MPPS. `manner` gives the status of an answer."""

    title: str
    port: int
    manner: Callable[[str, str], int] = lambda _, __: 0x0000
    heard: list[tuple[str, str, Dataset]] = field(default_factory=list)
    """Operation, instance and attribute list of what it has taken."""
    _server: Any = None

    def up(self) -> None:
        ae = AE(self.title)
        ae.require_called_aet = True
        ae.add_supported_context(ModalityPerformedProcedureStep)
        handlers: list[Any] = [(evt.EVT_N_CREATE, self._create), (evt.EVT_N_SET, self._set)]
        self._server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def of(self, uid: str) -> list[str]:
        """What it has heard of a performed step, in order."""
        return [f"{act} {told.get('PerformedProcedureStepStatus', '')}" for act, one, told in self.heard if one == uid]

    def _create(self, event: Event) -> tuple[int, Dataset | None]:
        request: Any = event.request
        return self._take("N-CREATE", request.AffectedSOPInstanceUID, event.attribute_list), None

    def _set(self, event: Event) -> tuple[int, Dataset | None]:
        request: Any = event.request
        return self._take("N-SET", request.RequestedSOPInstanceUID, event.modification_list), None

    def _take(self, act: str, uid: str, told: Dataset) -> int:
        status = self.manner(act, uid)
        if status == 0x0000:
            self.heard.append((act, uid, told))
        return status


@pytest.fixture(scope="module")
def ports(free_port: Callable[[], int]) -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def scheduling(
    services: Services,
    dimse_port: int,
    mllp_port: int,
    ports: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> ServiceProcess:
    peers = tmp_path_factory.mktemp("peers") / "peers.yaml"
    peers.write_text(
        f"""
PACS: {{host: 127.0.0.1, port: {ports[0]}, performed_procedure_steps: true}}
RIS2: {{host: 127.0.0.1, port: {ports[1]}, performed_procedure_steps: true}}
CT1: {{host: 127.0.0.1, port: 9}}
"""
    )
    return services.start(
        "scheduling",
        SCHEDULING_DIMSE_PORT=dimse_port,
        SCHEDULING_MLLP_PORT=mllp_port,
        FJ_PEERS=str(peers),
        FJ_BUS_GROUP_INSTANCE_ID="only",  # or Kafka keeps the place of the dead for 10 s
    )


@pytest.fixture
def pacs(ports: tuple[int, int]) -> Iterator[Receiver]:
    receiver = Receiver("PACS", ports[0])
    receiver.up()
    yield receiver
    receiver.down()


@pytest.fixture
def ris(ports: tuple[int, int]) -> Iterator[Receiver]:
    receiver = Receiver("RIS2", ports[1])
    receiver.up()
    yield receiver
    receiver.down()


async def performs(modality: Modality) -> str:
    """An unscheduled exam from its begin to its end."""
    uid, status = await modality.begins(in_progress())
    assert status.Status == 0x0000
    for change in (ended("IN PROGRESS", a_series([generate_uid()])), ended("COMPLETED", a_series([generate_uid()]))):
        assert (await modality.says(uid, change)).Status == 0x0000
    return uid


EVERYTHING = ["N-CREATE IN PROGRESS", "N-SET IN PROGRESS", "N-SET COMPLETED"]


async def test_every_receiver_hears_all_of_it_in_order_and_as_it_was_said(
    modality: Modality, pacs: Receiver, ris: Receiver
) -> None:
    begun = in_progress(PatientName="Müller^Zoë", SpecificCharacterSet="ISO_IR 100")
    uid, _ = await modality.begins(begun)
    last = ended("COMPLETED", a_series([generate_uid(), generate_uid()]))
    await modality.says(uid, last)
    for receiver in (pacs, ris):
        await eventually(lambda: len(receiver.of(uid)) == 2, within=10)  # noqa: B023 - awaited in its own round
        assert receiver.of(uid) == ["N-CREATE IN PROGRESS", "N-SET COMPLETED"]
        first, second = (told for _, one, told in receiver.heard if one == uid)
        assert first == begun
        assert second == last


async def test_what_is_refused_here_is_told_to_nobody(modality: Modality, pacs: Receiver, ris: Receiver) -> None:
    uid = await performs(modality)
    assert (await modality.begins(in_progress(), uid))[1].Status == 0x0111
    assert (await modality.says(uid, ended("COMPLETED", a_series([generate_uid()])))).Status == 0x0110
    await eventually(lambda: pacs.of(uid) == EVERYTHING, within=10)
    later = await performs(modality)
    await eventually(lambda: pacs.of(later) == EVERYTHING, within=10)
    assert pacs.of(uid) == EVERYTHING


@pytest.mark.timeout(600)  # a message that was being sent at the kill is claimed for three minutes
async def test_a_receiver_that_is_away_holds_up_nobody_and_hears_all_of_it_over_a_restart(
    modality: Modality, ris: Receiver, ports: tuple[int, int], scheduling: ServiceProcess, http: httpx.AsyncClient
) -> None:
    uids = [await asyncio.wait_for(performs(modality), 5) for _ in range(3)]
    for uid in uids:
        await eventually(lambda: ris.of(uid) == EVERYTHING, within=10)  # noqa: B023 - awaited in its own round

    async def is_tried() -> bool:
        waiting = (await http.get("/api/scheduling/forwards", params={"state": "WAITING"})).json()
        # What RIS2 has taken is noted as taken too, or it would rightly be told again after the kill.
        assert {one["destination"] for one in waiting} == {"PACS"}
        return len(waiting) == 9 and any(one["last_error"] for one in waiting)

    await eventually(is_tried, within=10)
    await asyncio.to_thread(scheduling.kill)
    await asyncio.to_thread(scheduling.start)
    pacs = Receiver("PACS", ports[0])
    pacs.up()
    try:
        for uid in uids:
            await eventually(lambda: pacs.of(uid) == EVERYTHING, within=60)  # noqa: B023 - awaited in its own round
    finally:
        pacs.down()
    assert all(ris.of(uid) == EVERYTHING for uid in uids), "who had it is not told again"


async def test_a_message_that_had_been_taken_counts_as_taken(modality: Modality, pacs: Receiver, ris: Receiver) -> None:
    pacs.manner = lambda act, _: 0x0111 if act == "N-CREATE" else 0x0000
    uid = await performs(modality)
    await eventually(lambda: pacs.of(uid) == EVERYTHING[1:], within=10)


async def test_what_is_refused_again_and_again_is_given_up_and_sent_again_by_a_person(
    modality: Modality, pacs: Receiver, ris: Receiver, http: httpx.AsyncClient, scheduling: ServiceProcess
) -> None:
    refusing, asked = [True], list[tuple[str, str]]()

    def manner(act: str, uid: str) -> int:
        asked.append((act, uid))
        return 0x0110 if act == "N-CREATE" and refusing else 0x0000

    pacs.manner = manner
    uid, _ = await modality.begins(in_progress())
    await modality.says(uid, ended("COMPLETED", a_series([generate_uid()])))

    async def given_up() -> bool:
        return bool(await failed())

    async def failed() -> list[dict[str, Any]]:
        found = (await http.get("/api/scheduling/forwards", params={"state": "FAILED"})).json()
        return [one for one in found if one["sop_instance_uid"] == uid]

    await eventually(lambda: ris.of(uid) == ["N-CREATE IN PROGRESS", "N-SET COMPLETED"], within=10)
    await eventually(given_up, within=40)
    [one] = await failed()
    assert (one["destination"], one["operation"], one["attempts"]) == ("PACS", "N-CREATE", 5)
    assert one["last_error"] == "the peer answers 0110H"
    await eventually(lambda: pacs.of(uid) == ["N-SET COMPLETED"], within=10, what="the next one goes on")
    assert [act for act, one in asked if one == uid] == ["N-CREATE"] * 5 + ["N-SET"], "and not before"
    address = f"/api/scheduling/forwards/{one['forward_id']}"
    assert (await http.post(f"{address}/repeat")).status_code == 401
    assert (await http.get(address)).json()["last_error"] == "the peer answers 0110H"
    refusing.clear()
    repeated = await http.post(f"{address}/repeat", headers=USER, json={"reason": "mended"})
    assert repeated.json()["actor"] == "tess"
    await eventually(lambda: "N-CREATE IN PROGRESS" in pacs.of(uid), within=10)

    async def is_noted() -> bool:
        return bool((await http.get(address)).json()["state"] == "SENT")

    await eventually(is_noted, within=10)
    assert (await http.post(f"{address}/cancel", headers=USER)).status_code == 409
    assert "Example" not in scheduling.log(500)


async def test_what_was_given_up_needs_nobody_once_a_person_says_so(
    modality: Modality, pacs: Receiver, ris: Receiver, http: httpx.AsyncClient, log: Log
) -> None:
    pacs.manner = lambda act, _: 0x0110 if act == "N-CREATE" else 0x0000
    uid, _ = await modality.begins(in_progress())

    async def given_up() -> int | None:
        found = (await http.get("/api/scheduling/forwards", params={"state": "FAILED"})).json()
        return next((one["forward_id"] for one in found if one["sop_instance_uid"] == uid), None)

    number = await eventually(given_up, within=40)
    address = f"/api/scheduling/forwards/{number}"
    assert (await http.post(f"{address}/cancel", headers=USER, json={"why": ""})).status_code == 422
    cancelled = await http.post(f"{address}/cancel", headers=USER, json={"reason": "a test of the receiver"})
    assert cancelled.json()["state"] == "CANCELLED"
    said = await log.wait_for("operator-events", where=lambda fact: fact.key == f"scheduling.mpps.{number}", count=2)
    assert [fact.type for fact in said] == ["work.given_up.v1", "work.settled.v1"]
    up, settled = (fact.body for fact in said)
    assert (up["destination"], up["address"], up["about"]) == ("PACS", address, cancelled.json()["exam_key"])
    assert up["reason"] == "N-CREATE, the peer answers 0110H"
    told = (settled["actor"], settled["settled_as"], settled["reason"])
    assert told == ("tess", "cancelled", "a test of the receiver")


async def test_nobody_is_told_what_they_said(dimse_port: int, pacs: Receiver, ris: Receiver) -> None:
    uid = await performs(Modality(dimse_port, "PACS"))
    await eventually(lambda: ris.of(uid) == EVERYTHING, within=10)
    assert pacs.of(uid) == []

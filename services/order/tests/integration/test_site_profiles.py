"""A hospital that puts nearly everything elsewhere is connected by YAML alone: the example of the local stack."""

import shutil
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path

import pytest
from fj_hl7 import MllpClient, Refused
from fj_testing import Log, ServiceProcess, Services, eventually

from services.order.tests.placer import refusal

pytestmark = pytest.mark.servers
CONFIG = Path(str(files("fj_local") / "config"))


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of profiles that the service looks at."""
    return Path(shutil.copytree(CONFIG / "profiles", tmp_path_factory.mktemp("config") / "profiles"))


@pytest.fixture(scope="module")
def order(services: Services, mllp_port: int, profiles: Path) -> ServiceProcess:
    return services.start(
        "order",
        ORDER_MLLP_PORT=mllp_port,
        FJ_SITES=str(CONFIG / "sites.yaml"),
        FJ_HL7_PROFILES=str(profiles),
    )


@pytest.fixture
async def placer(order: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    client = MllpClient("127.0.0.1", mllp_port)
    yield client
    await client.close()


def odd(sender: str, control: str = "NEU", status: str = "") -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|{sender}|MH|FJ|FJ|20260302091500||ORM^O01|{sender}{control}{status}|P|2.3",
            "PID|1||4711^^^^KASSE~815^^^^PATNR||Müller^Änne||19700401|W",
            f"ORC|{control}|AUF-1|||{status}",
            "OBR|1|||THX^Thorax",
            "OBX|1|CE|GERAET^Gerät||KERNSPIN",
            "ZAU|1|NOTFALL||AN-77^MH-SONST|20260302140000||1.2.840.77&x||5520^Thorax nativ",
        )
    ).encode("latin-1")


async def test_an_order_with_everything_elsewhere_is_understood_and_taken_back(placer: MllpClient, log: Log) -> None:
    assert (await placer.send(odd("KIS-MH"))).code == "AA"
    assert (await placer.send(odd("KIS-MH", control="SC", status="CA"))).code == "AA"
    placed, _ = await log.wait_for("order-events", where=lambda record: record.body["site"] == "NORTH", count=2)
    body = placed.body
    assert placed.type == "order.placed.v1"
    assert body["placer_order_number"] == {"value": "AUF-1", "issuer": "MH-KIS"}
    assert body["accession_number"] == {"value": "AN-77", "issuer": "MH-SONST"}
    assert (body["study_instance_uid"], body["priority"], body["modality"]) == ("1.2.840.77", "STAT", "MR")
    assert body["procedure"] == {"code": "CTCHEST", "text": "CT chest", "system": "L"}
    assert body["asked_for"].startswith("2026-03-02T14:00:00+01:00")
    patient = body["patient"]
    assert patient["id"] == {"value": "815", "issuer": "MH-PAT"}
    assert (patient["family_name"], patient["given_name"], patient["sex"]) == ("Müller", "Änne", "F")


async def test_without_the_profile_the_same_message_is_refused(placer: MllpClient) -> None:
    ack = await refusal(placer, odd("OTHER"))
    assert (ack.code, ack.errors[0].segment, ack.errors[0].field, ack.errors[0].code) == ("AE", "ORC", 1, "103")


async def test_a_hospital_is_connected_while_the_service_runs_and_a_mistake_takes_nothing_from_the_others(
    placer: MllpClient, profiles: Path
) -> None:
    def late() -> bytes:
        return odd("LATE").replace(b"AUF-1", b"LATE-1").replace(b"AN-77^", b"AN-78^")

    async def taken() -> bool:
        try:
            return (await placer.send(late())).code == "AA"
        except Refused:
            return False

    assert not await taken()
    known = (CONFIG / "profiles" / "marienhospital.yaml").read_text()
    new = profiles / "late.yaml"
    new.write_text(known.replace("KIS-MH", "LATE").replace("MARIENHOSPITAL", "LATE"))
    await eventually(taken)
    new.write_text("profiles: {LATE: {senders: []}}")
    assert (await placer.send(odd("KIS-MH", control="SC", status="CA"))).code == "AA"

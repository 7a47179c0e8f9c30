"""Where the installation says so, pairs without doubt are linked by the machine; a person parts them."""

from pathlib import Path
from uuid import UUID

import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Log, Record, Services
from patient_service.settings import load_rules

pytestmark = pytest.mark.servers


def adt_message(trigger: str, number: str, minute: int, *others: str) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|{number}{minute}|P|2.5.1"
    pids = [
        f"PID|1||{each}^^^GENERAL||Whimbrel^Ida||19520707|F|||Elm Street 1^^Town^^12345||555 123 4567"
        for each in (number, *others)
    ]
    return "\r".join((header, f"EVN|{trigger}|{at}", *pids)).encode()


async def links_of(log: Log, number: str, count: int) -> list[Record]:
    wanted = str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))

    def is_one(record: Record) -> bool:
        return record.key == wanted and record.type in {"patient.linked.v1", "patient.unlinked.v1"}

    return await log.wait_for("patient-events", where=is_one, count=count)


async def test_pairs_without_doubt_are_linked_until_somebody_says_otherwise(
    services: Services, mllp_port: int, log: Log, tmp_path: Path
) -> None:
    rules = tmp_path / "matching.yaml"
    rules.write_text(load_rules(None).model_copy(update={"link": True}).model_dump_json())
    services.start("patient", PATIENT_MLLP_PORT=mllp_port, PATIENT_MATCHING=str(rules))
    client = MllpClient("127.0.0.1", mllp_port)
    for number in ("W1", "W2"):
        await client.send(adt_message("A28", number, 0))
    for number in ("W1", "W2"):
        [linked] = await links_of(log, number, 1)
        assert linked.body["basis"] == "score"
        assert "birth date same" in linked.body["reason"]
    await client.send(adt_message("A37", "W1", 1, "W2"))
    await client.send(adt_message("A31", "W1", 2))
    await client.close()
    assert [fact.type for fact in await links_of(log, "W1", 2)] == ["patient.linked.v1", "patient.unlinked.v1"]

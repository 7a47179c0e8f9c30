"""What a sender says of a number that it changes, whichever of its messages comes first, and however often."""

import itertools
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Log, ServiceProcess

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)


def key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))


def a_message(trigger: str, minute: int, *segments: str) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|Y{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|{at}", *segments)).encode()


async def patient_of(patient: ServiceProcess, number: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=patient.http) as http:
        found: dict[str, Any] = (await http.get(f"/api/patient/patients/{key(number)}")).json()
    return found


@pytest.mark.parametrize("order", ["register change update", "register update change", "change update register"])
@pytest.mark.parametrize("times", [1, 2])
async def test_an_update_from_before_a_number_was_changed_is_of_the_new_number(
    adt: MllpClient, patient: ServiceProcess, log: Log, order: str, times: int
) -> None:
    old, new = (f"Y{next(NUMBERS):05d}" for _ in range(2))
    messages = {
        "register": a_message("A04", 0, f"PID|1||{old}^^^GENERAL||Exampel^Ada||19700401|F"),
        "update": a_message("A08", 1, f"PID|1||{old}^^^GENERAL||Example^Ada^^^||19700401|F|||||555 0101"),
        "change": a_message("A47", 2, f"PID|1||{new}^^^GENERAL", f"MRG|{old}^^^GENERAL"),
    }
    for each in order.split() * times:
        assert (await adt.send(messages[each])).code == "AA"
    now = await patient_of(patient, new)
    said = now["patient"]
    assert (said["family_name"], said["birth_date"], said["phone"]) == ("Example", "1970-04-01", "555 0101")
    assert (now["provisional"], (await patient_of(patient, old))["survivor_id"]) == (False, key(new))
    states = {"patient.registered.v1", "patient.updated.v1"}
    told = await log.wait_for("patient-events", where=lambda r: r.key == key(new) and r.type in states)
    assert any(record.body["patient"].get("phone") == "555 0101" for record in told)


async def test_an_update_from_after_the_change_stays_under_the_old_number(
    adt: MllpClient, patient: ServiceProcess
) -> None:
    old, new = (f"Y{next(NUMBERS):05d}" for _ in range(2))
    await adt.send(a_message("A04", 0, f"PID|1||{old}^^^GENERAL||Example^Ada||19700401|F"))
    await adt.send(a_message("A47", 2, f"PID|1||{new}^^^GENERAL", f"MRG|{old}^^^GENERAL"))
    await adt.send(a_message("A08", 3, f"PID|1||{old}^^^GENERAL||Other^Bea||19700401|F"))
    names = [(await patient_of(patient, number))["patient"]["family_name"] for number in (new, old)]
    assert names == ["Example", "Other"]

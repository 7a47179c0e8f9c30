"""Every ADT of RAD-1, RAD-12 and PAM has one defined outcome, and sent again the same one."""

import itertools
from uuid import UUID

import httpx
import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, ServiceProcess

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)

# What becomes of the patient of PID (and the one of MRG, or of the second PID), both known before.
REGISTERS, MERGES, LINKS, UNLINKS = "registers", "merges", "links", "unlinks"
REPLACES, MOVES, RENUMBERS = "replaces", "moves", "renumbers"
OUTCOMES = {
    **dict.fromkeys((f"A{number:02d}" for number in range(1, 14)), REGISTERS),
    "A24": LINKS,
    "A28": REGISTERS,
    "A31": REGISTERS,
    "A34": MERGES,
    "A36": MERGES,
    "A37": UNLINKS,
    "A38": REGISTERS,
    "A40": MERGES,
    "A43": MERGES,
    "A44": MOVES,
    "A45": MOVES,
    "A47": MERGES,
    "A48": REPLACES,
    "A49": RENUMBERS,
    "A50": RENUMBERS,
    "A51": REGISTERS,
}
ACCOUNTS = {"A36", "A44", "A49"}
"""Speak of the account of MRG-3; A36 besides merging the patients."""

PV1 = f"PV1|1|O{'|' * 17}"


def a_message(trigger: str, *segments: str, minute: int) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|E{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|{at}", *segments)).encode()


def pid(number: str, family: str, alternate: str = "") -> str:
    return f"PID|1||{number}^^^GENERAL|{alternate}|{family}^Ada||19700401|F"


@pytest.mark.parametrize(("trigger", "outcome"), OUTCOMES.items())
async def test_every_kind_of_message_does_what_the_table_says(
    adt: MllpClient, patient: ServiceProcess, trigger: str, outcome: str
) -> None:
    one, other = f"E{next(NUMBERS):05d}", f"E{next(NUMBERS):05d}"
    await adt.send(a_message("A04", pid(one, f"Before{one}", "OLD^^^ALT"), minute=1))
    await adt.send(a_message("A04", pid(other, f"Other{other}"), minute=1))
    prior = other if outcome in {MERGES, MOVES} else one
    second = {LINKS: pid(other, ""), UNLINKS: pid(other, ""), REPLACES: "MRG||OLD^^^ALT"}
    mrg = second.get(outcome, f"MRG|{prior}^^^GENERAL||A{one}||V{one}|W{one}")
    now = a_message(trigger, f"{pid(one, f'After{one}', 'NEW^^^ALT')}{'|' * 10}B{one}", mrg, PV1 + f"U{one}", minute=2)
    for _ in range(2):
        assert (await adt.send(now)).code == "AA"
    async with httpx.AsyncClient(base_url=patient.http) as http:
        number = f"A{one}" if trigger in ACCOUNTS else f"V{one}"
        told = (await http.get("/api/patient/visits", params={"number": number})).json()
        mine = (await http.get(f"/api/patient/patients/{_key(one)}")).json()
        theirs = (await http.get(f"/api/patient/patients/{_key(other)}")).json()
        person = (await http.get(f"/api/patient/patients/{_key(one)}/links")).json()
    tells = outcome in {REGISTERS, REPLACES, RENUMBERS}
    assert mine["patient"]["family_name"] == (f"After{one}" if tells else f"Before{one}")
    assert (theirs.get("survivor_id") == _key(one)) is (outcome is MERGES)
    assert (_key(other) in person["numbers"]) is (outcome is LINKS)
    present = f"B{one}" if trigger in ACCOUNTS else f"U{one}"
    assert [visit["patient_id"] for visit in told if visit["moves"]] == ([_key(one)] if outcome is MOVES else [])
    numbers = [visit["present_number"]["value"] for visit in told if visit["renumberings"]]
    assert numbers == ([present] if outcome is RENUMBERS or trigger == "A36" else [])
    alternates = {number["value"] for number in mine["patient"]["other_ids"] if number["issuer"] == "ALT"}
    assert alternates == ({"NEW"} if outcome is REPLACES else {"OLD", "NEW"})


def _key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))

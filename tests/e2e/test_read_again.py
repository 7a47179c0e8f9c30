"""An order that was misread for want of the right profile: read again, the worklist shows what its message says."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import pytest
from fj_hl7 import MllpClient
from fj_simulators import Doors, Modality
from fj_testing import Services, eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
PROFILE: Final = """
profiles:
  ODD:
    senders: [{{application: ODD}}]
    places: {{accession_number: [{place}]}}
    codes: {{priority: {{DRINGEND: {priority}}}}}
"""
ORDER: Final = "\r".join(
    (
        "MSH|^~\\&|ODD|MAIN|FJ|FJ|20260302091500||ORM^O01^ORM_O01|READ1|P|2.5.1",
        "PID|1||P4711^^^MAIN^MR||Example^Ada||19700401|F",
        "ORC|NW|PL4711^EHR",
        "TQ1|1||||||||DRINGEND",
        f"OBR|1|PL4711^EHR||CTCHEST^CT chest^L{'|' * 14}A4711^MAIN||B4711^MAIN",
    )
).encode()


async def test_what_was_misread_is_right_on_the_worklist_once_it_is_read_again(
    services: Services, free_port: Callable[[], int], tmp_path: Path
) -> None:
    profile, mllp, dimse = tmp_path / "odd.yaml", free_port(), free_port()
    profile.write_text(PROFILE.format(place="OBR-20", priority="R"))
    order = services.start("order", ORDER_MLLP_PORT=mllp, FJ_HL7_PROFILES=str(tmp_path))
    services.start("scheduling", SCHEDULING_DIMSE_PORT=dimse, SCHEDULING_MLLP_PORT=free_port())
    modality = Modality(Doors(worklist=dimse))

    async def shows(*wanted: tuple[str, str]) -> bool:
        shown = [entry.dataset for entry in await modality.worklist()]
        return [(each.AccessionNumber, each.RequestedProcedurePriority) for each in shown] == list(wanted)

    async with MllpClient("127.0.0.1", mllp) as sender:
        assert (await sender.send(ORDER)).code == "AA"
    await eventually(lambda: shows(("B4711", "ROUTINE")), within=30)

    profile.write_text(PROFILE.format(place="OBR-18", priority="S"))
    order.stop()
    order.start()
    async with httpx.AsyncClient(base_url=order.http, headers={"X-FJ-User": "tess"}, timeout=30) as http:
        [kept] = (await http.get("/api/order/messages", params={"control_id": "READ1"})).json()
        for _ in range(2):
            why = {"reason": "the accession number is in OBR-18"}
            tried = await http.post(kept["address"].replace("?", "/reread?"), json=why)
            assert (tried.status_code, tried.json()["after"]) == (200, "AA")
    await eventually(lambda: shows(("A4711", "STAT")), within=30)

"""An order that the department enters: its placer gives it a number, image manager and calendar hear of the plan."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fj_hl7 import Message
from fj_hl7.conformance import problems
from fj_testing import Services, eventually

from services.ehr_sync.tests.listener import ACCEPT, NUMBER, Listener

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
USER = {"X-FJ-User": "tess"}


async def test_an_order_of_the_department_gets_its_number_and_its_plan_is_heard_of(
    services: Services, free_port: Callable[[], int]
) -> None:
    ehr, pacs = Listener(free_port()), Listener(free_port())
    ehr.manner = lambda message: NUMBER if message.field("ORC", 1) == "SN" else ACCEPT
    destinations = f"ehr=127.0.0.1:{ehr.port}/numbers+status+appointments,pacs=127.0.0.1:{pacs.port}/procedures@2.3.1"
    order = services.start("order", ORDER_MLLP_PORT=free_port(), EHR_SYNC_HL7_DESTINATIONS=destinations)
    scheduling = services.start("scheduling", SCHEDULING_DIMSE_PORT=free_port(), SCHEDULING_MLLP_PORT=free_port())
    services.start("ehr_sync", EHR_SYNC_HL7_DESTINATIONS=destinations)
    async with ehr.up(), pacs.up(), httpx.AsyncClient(headers=USER) as http:
        entered = await http.post(f"{order.http}/api/order/orders", json=an_order())
        placed = entered.json()
        accession, uid = placed["accession_number"]["value"], placed["study_instance_uid"]

        async def has_its_number() -> bool:
            known = (await http.get(f"{order.http}/api/order/orders/{placed['order_id']}")).json()
            return bool(known["placer_order_number"] == {"value": f"EHR-{accession}", "issuer": "EHR"})

        await eventually(has_its_number, within=30)
        await eventually(lambda: [message.says for message in pacs.taken] == ["ORM NW SC"], within=30)
        assert Message.parse(pacs.taken[0].raw)["ZDS"].get(1) == uid
        at = (datetime.now(UTC) + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
        booking = f"{scheduling.http}/api/scheduling/exams/{placed['order_id']}/book"
        booked = await http.post(booking, json={"starts_at": at.isoformat()})
        assert booked.status_code == 200, booked.text
        await eventually(lambda: [message.says for message in pacs.taken] == ["ORM NW SC", "ORM XO SC"], within=30)
        await eventually(lambda: ehr.told(f"EHR-{accession}") == ["SIU S12"], within=30)
        cancelled = await http.post(f"{order.http}/api/order/orders/{placed['order_id']}/cancel", json={})
        assert cancelled.status_code == 200
        await eventually(lambda: pacs.taken[-1].says == "ORM CA CA", within=30)
        await eventually(lambda: sorted(ehr.told(f"EHR-{accession}")) == ["ORM OC CA", "SIU S12", "SIU S15"], within=30)
        change, cancel = pacs.taken[1:]
        assert change.field("ORC", 2) == cancel.field("ORC", 2) == f"EHR-{accession}"
        assert change.field("ORC", 7, 4) == cancel.field("ORC", 7, 4) == f"{at:%Y%m%d%H%M%S}+0000"
        for message in [*ehr.taken, *pacs.taken]:
            assert problems(message.raw) == []


def an_order() -> dict[str, Any]:
    return {
        "patient": {"id": {"value": "P77", "issuer": "GENERAL"}, "family_name": "Example", "given_name": "Ada"},
        "procedure": {"code": "CTCHEST", "text": "CT chest", "system": "L"},
    }

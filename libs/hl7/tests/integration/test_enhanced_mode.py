"""Accept acknowledgement and reply, as the sender asks for them (HL7 v2.5.1 ch. 2.9.3)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from fj_hl7 import AckCode, Door, Hl7Error, Intake, Ledger, Message, read_ack
from fj_hl7.receipt import Connection, Receipt

from libs.hl7.tests.ward import SEAL, Ward, adt

if TYPE_CHECKING:
    import asyncpg

pytestmark = pytest.mark.servers


class Full(Ledger):
    """Keeps no refused message."""

    async def refuse(
        self,
        connection: Connection,  # noqa: ARG002 - the ledger's signature
        receipt: Receipt,  # noqa: ARG002
        code: AckCode,  # noqa: ARG002
        errors: Sequence[Hl7Error] = (),  # noqa: ARG002
    ) -> bool:
        raise OSError("disk full")


def asking(raw: bytes, accept: str, reply: str) -> bytes:
    """The message of a sender that says which acknowledgements it wants (MSH-15, MSH-16)."""
    return raw.replace(b"|P|2.5\r", f"|P|2.5|||{accept}|{reply}\r".encode(), 1)


@pytest.mark.parametrize(
    ("accept", "reply", "number", "codes"),
    [
        ("AL", "AL", "1", ["CA", "AA"]),
        ("AL", "NE", "1", ["CA"]),
        ("AL", "", "1", ["CA"]),
        ("NE", "AL", "1", ["AA"]),
        ("", "AL", "1", ["AA"]),
        ("NE", "NE", "1", []),
        ("NE", "", "1", ["AA"]),
        ("ER", "ER", "1", []),
        ("SU", "SU", "1", ["CA", "AA"]),
        ("", "", "1", ["AA"]),
        ("yes", "", "1", ["AA"]),
        ("AL", "AL", "unknown", ["CA", "AE"]),
        ("AL", "ER", "unknown", ["CA", "AE"]),
        ("AL", "NE", "unknown", ["CE"]),
        ("ER", "SU", "unknown", ["CE"]),
        ("NE", "AL", "unknown", ["AE"]),
        ("NE", "NE", "unknown", []),
        ("NE", "", "unknown", ["AE"]),
    ],
)
async def test_a_sender_gets_the_acknowledgements_that_it_asks_for_in_their_order(
    ward: Ward, accept: str, reply: str, number: str, codes: list[str]
) -> None:
    for _ in range(2):
        acks = [read_ack(raw) for raw in await ward.door(asking(adt(number), accept, reply), "a")]
        assert [ack.code for ack in acks] == codes
        assert {ack.control_id for ack in acks} <= {"C1"}
    assert await ward.admitted() == (["1"] if number == "1" else [])


async def test_a_message_for_another_door_is_rejected_by_the_accept_acknowledgement_alone(ward: Ward) -> None:
    [raw] = await ward.door(asking(adt("1", kind="ORU^R01"), "AL", "AL"), "a")
    ack = read_ack(raw)
    assert (ack.code, ack.errors[0].field) == ("CR", 9)
    assert Message.parse(raw).kind == "ACK^R01"


async def test_what_could_not_be_kept_is_never_told_to_be_taken(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    ward = Ward(pool)
    ward.door = Door("patients", {"ADT^A04": ward.admit}, ward.unit, Intake(Full(SEAL)))
    [raw] = await ward.door(asking(adt("crash"), "AL", "AL"), "a")
    assert read_ack(raw).code == "CE"

"""The PDUs of an association, said as no modality should say them: lost, doubled, swapped, cut, altered."""

import random
import socket
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from pydicom import Dataset
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from services.ingest.tests.builders import CT, EXPLICIT, an_instance, encoded

ANSWER_S: Final = 60.0
"""A peer that says that it has said all is answered, or cut off, long before this."""
_ACCEPTED: Final = 0x02
"""A-ASSOCIATE-AC (PS3.8 section 9.3.3)."""
_ABORT: Final = bytes.fromhex("0700 00000004 00000000")
"""A-ABORT by the service user (PS3.8 section 9.3.8)."""
_STATUS: Final = bytes.fromhex("0000 0009 02000000")
"""(0000,0900) of a response, implicit little endian; its value follows."""


def a_conversation(dataset: Dataset) -> list[bytes]:
    """The PDUs of an association that stores one instance: request, command, data set in pieces, release."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "FUZZ", "FJ_STORE"
    context = build_context(CT, EXPLICIT)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3"
    request.user_information = [length, implementation]
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = 1, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CT, dataset.SOPInstanceUID
    primitive.DataSet = BytesIO(encoded(dataset))
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    pieces = [P_DATA_TF(piece).encode() for piece in message.encode_msg(1, 1024)]
    return [bytes(pdu) for pdu in (A_ASSOCIATE_RQ(request).encode(), *pieces, A_RELEASE_RQ().encode())]


def mangled(conversation: Sequence[bytes], seed: int) -> list[bytes]:
    """The conversation after a few accidents."""
    dice = random.Random(seed)  # noqa: S311 - the same bytes in each run
    pdus = list(conversation)
    for _ in range(dice.randint(1, 3)):
        if pdus:
            dice.choice((_lost, _doubled, _moved, _cut, _other_length, _other_bytes, _other_bytes))(pdus, dice)
    return pdus


def _lost(pdus: list[bytes], dice: random.Random) -> None:
    pdus.pop(dice.randrange(len(pdus)))


def _doubled(pdus: list[bytes], dice: random.Random) -> None:
    pdus.insert(dice.randrange(len(pdus) + 1), dice.choice(pdus))


def _moved(pdus: list[bytes], dice: random.Random) -> None:
    pdu = pdus.pop(dice.randrange(len(pdus)))
    pdus.insert(dice.randrange(len(pdus) + 1), pdu)


def _cut(pdus: list[bytes], dice: random.Random) -> None:
    """The end of one and all that comes after it."""
    at = dice.randrange(len(pdus))
    pdus[at:] = [pdus[at][: dice.randrange(len(pdus[at]) + 1)]]


def _other_length(pdus: list[bytes], dice: random.Random) -> None:
    """Of the PDU, or of the first item in it."""
    at, place = dice.randrange(len(pdus)), dice.choice((2, 6))
    length = dice.choice((0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, dice.getrandbits(32)))
    pdus[at] = pdus[at][:place] + length.to_bytes(4, "big") + pdus[at][place + 4 :]


def _other_bytes(pdus: list[bytes], dice: random.Random) -> None:
    """Mostly in the first ones, where the structure is."""
    at = dice.randrange(len(pdus))
    pdu = bytearray(pdus[at])
    for _ in range(dice.randint(1, 4)):
        if pdu:
            pdu[dice.randrange(min(len(pdu), dice.choice((12, 100, len(pdu)))))] = dice.randrange(256)
    pdus[at] = bytes(pdu)


def talk(port: int, pdus: Sequence[bytes], seed: int) -> None:
    """Say all of it; then leave at once, or hear what is said until the other side closes. Raises TimeoutError."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as peer:
        try:
            for pdu in pdus:
                peer.sendall(pdu)
            if seed % 2:
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
        except ConnectionError:
            pass  # it has had enough


class Caller:
    """An association said PDU by PDU, so that it can end in the middle of an object."""

    def __init__(self, port: int) -> None:
        self._peer = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self._peer.sendall(a_conversation(an_instance())[0])
        assert self._hears()[0] == _ACCEPTED

    def stores(self, dataset: Dataset) -> int:
        """The status of a whole C-STORE."""
        for pdu in a_conversation(dataset)[1:-1]:
            self._peer.sendall(pdu)
        _, found, rest = self._hears().partition(_STATUS)
        assert found
        return int.from_bytes(rest[:2], "little")

    def begins(self, dataset: Dataset) -> None:
        """Half of a C-STORE."""
        pdus = a_conversation(dataset)[1:-1]
        for pdu in pdus[: len(pdus) // 2]:
            self._peer.sendall(pdu)

    def aborts(self) -> None:
        """A-ABORT, and gone."""
        self._peer.sendall(_ABORT)
        self.leaves()

    def leaves(self) -> None:
        """Gone without a word."""
        self._peer.close()

    def _hears(self) -> bytes:
        head = self._exactly(6)
        return head + self._exactly(int.from_bytes(head[2:], "big"))

    def _exactly(self, count: int) -> bytes:
        data = self._peer.recv(count, socket.MSG_WAITALL)
        assert len(data) == count, "the association was lost"
        return data

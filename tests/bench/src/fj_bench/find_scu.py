"""A C-FIND client that does not decode what it gets, so that it costs little and the same for everybody."""

import socket
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from fj_dicom.pdu import COMMAND, PduSocket, fragments, p_data
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_messages import C_FIND_RQ
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

MWL: Final = "1.2.840.10008.5.1.4.31"


def a_query(station: str, day: str) -> Dataset:
    """What a modality asks for in the morning: its own steps of the day, with the usual 17 return keys."""
    query, step = Dataset(), Dataset()
    for keyword in (
        "AccessionNumber",
        "ReferringPhysicianName",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "RequestingPhysician",
        "RequestedProcedureDescription",
        "RequestedProcedureID",
        "RequestedProcedurePriority",
    ):
        setattr(query, keyword, "")
    step.Modality = "CT"
    step.ScheduledStationAETitle = station
    step.ScheduledProcedureStepStartDate = day
    step.ScheduledProcedureStepStartTime = ""
    step.ScheduledProcedureStepDescription = ""
    step.ScheduledProcedureStepID = ""
    query.ScheduledProcedureStepSequence = [step]
    return query


class Client:
    """One association; reads whole PDUs and decodes nothing."""

    def __init__(self, port: int, sop_class: str = MWL, called: str = "FJ_MWL") -> None:
        self._sop_class = sop_class
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._pdus = PduSocket(self._connection, 131072)
        self._pdus.send(_association_request(sop_class, called))
        kind, _ = self._pdus.read()
        assert kind == 2, "association not accepted"

    def close(self) -> None:
        """Release the association."""
        self._pdus.send(b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        self._pdus.read()
        self._connection.close()

    def ask(self, query: Dataset) -> list[bytes]:
        """The matches, encoded; each has to fit into one PDU."""
        request = C_FIND()
        request.MessageID, request.AffectedSOPClassUID, request.Priority = 1, self._sop_class, 2
        request.Identifier = BytesIO(encode(query, is_implicit_vr=True, is_little_endian=True) or b"")
        message = C_FIND_RQ()
        message.primitive_to_message(request)
        for data in message.encode_msg(1, 16384):
            for context, value in data.presentation_data_value_list:
                for pdu in p_data(context, value[0] & COMMAND, value[1:], 16384):
                    self._pdus.send(pdu)
        return list(self._matches())

    def _matches(self) -> Iterator[bytes]:
        while True:
            _, body = self._pdus.read()
            for _, control, data in fragments(body):
                if control & COMMAND and not _has_data_set(bytes(data)):
                    return
                if not control & COMMAND:
                    yield bytes(data)


def _has_data_set(command: bytes) -> bool:
    """Command Data Set Type (0000,0800) is not 0101H."""
    return b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" not in command


def _association_request(sop_class: str, called: str) -> bytes:
    ae = AE(ae_title="CT1")
    ae.add_requested_context(sop_class, ImplicitVRLittleEndian)
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "CT1", called
    contexts = ae.requested_contexts
    contexts[0].context_id = 1
    primitive.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = ae.implementation_class_uid
    primitive.user_information = [length, implementation]
    return bytes(A_ASSOCIATE_RQ(primitive).encode())

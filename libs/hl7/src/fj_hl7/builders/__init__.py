"""What is sent: HL7 messages in UTF-8 from plain data: v2.5.1, where IHE has it v2.3.1 too.

`fj_hl7.conformance` checks them against the standard.
"""

from fj_hl7.builders.appointments import appointment_message
from fj_hl7.builders.content import Appointment, Document, Header, Order, Patient, Report, Status, Step, Visit
from fj_hl7.builders.orders import order_message, order_status
from fj_hl7.builders.patients import merge_message, patient_message
from fj_hl7.builders.procedures import procedure_message
from fj_hl7.builders.results import document_message, report_message

__all__ = [
    "Appointment",
    "Document",
    "Header",
    "Order",
    "Patient",
    "Report",
    "Status",
    "Step",
    "Visit",
    "appointment_message",
    "document_message",
    "merge_message",
    "order_message",
    "order_status",
    "patient_message",
    "procedure_message",
    "report_message",
]

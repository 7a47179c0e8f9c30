"""What is sent: HL7 v2.5.1 messages in UTF-8 from plain data. `fj_hl7.conformance` checks them against the standard."""

from fj_hl7.builders.content import Document, Header, Order, Patient, Report, Status, Visit
from fj_hl7.builders.orders import order_message, order_status
from fj_hl7.builders.patients import patient_message
from fj_hl7.builders.results import document_message, report_message

__all__ = [
    "Document",
    "Header",
    "Order",
    "Patient",
    "Report",
    "Status",
    "Visit",
    "document_message",
    "order_message",
    "order_status",
    "patient_message",
    "report_message",
]

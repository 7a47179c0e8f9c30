"""The only vocabulary that the services share: every fact, its envelope, its topic."""

from fj_events.base import Fact, OpenEnum, Part, Phi
from fj_events.codec import MAX_BODY, from_body, to_body
from fj_events.delivery import DeliveryAbandoned, DeliveryDelayed, DeliveryDelivered, DeliveryKind
from fj_events.envelope import Envelope
from fj_events.errors import BadBody, BadEnvelope, BadEvent, TooBig, UnknownType
from fj_events.exam import (
    ExamCancelled,
    ExamCancelRefused,
    ExamCompleted,
    ExamDiscontinued,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    PerformedSeries,
    ScheduledStep,
)
from fj_events.finding import PriorityRaised
from fj_events.instance import InstancesStored, SeriesAttributes, StoredInstance, StudyAttributes
from fj_events.order import (
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderDetails,
    OrderPlaced,
    OrderReinstated,
    Refused,
)
from fj_events.patient import PatientRegistered, PatientUpdated
from fj_events.registry import REGISTRY
from fj_events.report import ReportAmended, ReportFinalized, ReportPreliminary
from fj_events.study import (
    Completeness,
    MatchRule,
    SeriesSummary,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyUnmatched,
    StudyUpdated,
)
from fj_events.terms import Actor, Address, CodedConcept, Identifier, ObjectRef, Site, Staff, Uid, patient_key
from fj_events.topics import SERVICES, TOPICS, Topic, dead_letter_topic
from fj_events.vocabulary import ClinicalPhi, Evidence, PatientPhi, Priority, ReportPhi, Sex, Source

__all__ = [
    "MAX_BODY",
    "REGISTRY",
    "SERVICES",
    "TOPICS",
    "Actor",
    "Address",
    "BadBody",
    "BadEnvelope",
    "BadEvent",
    "ClinicalPhi",
    "CodedConcept",
    "Completeness",
    "DeliveryAbandoned",
    "DeliveryDelayed",
    "DeliveryDelivered",
    "DeliveryKind",
    "Envelope",
    "Evidence",
    "ExamCancelRefused",
    "ExamCancelled",
    "ExamCompleted",
    "ExamDiscontinued",
    "ExamRescheduled",
    "ExamScheduled",
    "ExamStarted",
    "Fact",
    "Identifier",
    "InstancesStored",
    "MatchRule",
    "ObjectRef",
    "OpenEnum",
    "OrderCancelled",
    "OrderChanged",
    "OrderCompleted",
    "OrderDetails",
    "OrderPlaced",
    "OrderReinstated",
    "Part",
    "PatientPhi",
    "PatientRegistered",
    "PatientUpdated",
    "PerformedSeries",
    "Phi",
    "Priority",
    "PriorityRaised",
    "Refused",
    "ReportAmended",
    "ReportFinalized",
    "ReportPhi",
    "ReportPreliminary",
    "ScheduledStep",
    "SeriesAttributes",
    "SeriesSummary",
    "Sex",
    "Site",
    "Source",
    "Staff",
    "StoredInstance",
    "StudyAttributes",
    "StudyAvailable",
    "StudyMatched",
    "StudyReceived",
    "StudyUnmatched",
    "StudyUpdated",
    "TooBig",
    "Topic",
    "Uid",
    "UnknownType",
    "dead_letter_topic",
    "from_body",
    "patient_key",
    "to_body",
]

"""The required bindings of R4 that `fhir.resources` does not enforce: element path to the codes it may hold."""

from collections.abc import Mapping
from typing import Final

_GENDER: Final = frozenset({"male", "female", "other", "unknown"})
_REQUEST_STATUS: Final = frozenset(
    {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
)
_REQUEST_INTENT: Final = frozenset(
    {
        "proposal",
        "plan",
        "directive",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    }
)
_REQUEST_PRIORITY: Final = frozenset({"routine", "urgent", "asap", "stat"})
_REPORT_STATUS: Final = frozenset(
    {
        "registered",
        "partial",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "appended",
        "cancelled",
        "entered-in-error",
        "unknown",
    }
)
_STUDY_STATUS: Final = frozenset({"registered", "available", "cancelled", "entered-in-error", "unknown"})
_APPOINTMENT_STATUS: Final = frozenset(
    {
        "proposed",
        "pending",
        "booked",
        "arrived",
        "fulfilled",
        "cancelled",
        "noshow",
        "entered-in-error",
        "checked-in",
        "waitlist",
    }
)
_ISSUE_CODES: Final = frozenset(
    {
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
    }
)
_IDENTIFIER_USE: Final = frozenset({"usual", "official", "temp", "secondary", "old"})
_NAME_USE: Final = frozenset({"usual", "official", "temp", "nickname", "anonymous", "old", "maiden"})

BINDINGS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "ServiceRequest": {
        "status": _REQUEST_STATUS,
        "intent": _REQUEST_INTENT,
        "priority": _REQUEST_PRIORITY,
        "identifier.use": _IDENTIFIER_USE,
    },
    "Patient": {
        "gender": _GENDER,
        "identifier.use": _IDENTIFIER_USE,
        "name.use": _NAME_USE,
        "telecom.system": frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"}),
        "telecom.use": frozenset({"home", "work", "temp", "old", "mobile"}),
        "address.use": frozenset({"home", "work", "temp", "old", "billing"}),
        "contact.gender": _GENDER,
        "link.type": frozenset({"replaced-by", "replaces", "refer", "seealso"}),
    },
    "Practitioner": {"gender": _GENDER, "identifier.use": _IDENTIFIER_USE, "name.use": _NAME_USE},
    "DiagnosticReport": {"status": _REPORT_STATUS, "identifier.use": _IDENTIFIER_USE},
    "ImagingStudy": {"status": _STUDY_STATUS, "identifier.use": _IDENTIFIER_USE},
    "Endpoint": {"status": frozenset({"active", "suspended", "error", "off", "entered-in-error", "test"})},
    "Slot": {"status": frozenset({"busy", "free", "busy-unavailable", "busy-tentative", "entered-in-error"})},
    "Appointment": {
        "status": _APPOINTMENT_STATUS,
        "participant.required": frozenset({"required", "optional", "information-only"}),
        "participant.status": frozenset({"accepted", "declined", "tentative", "needs-action"}),
    },
    "Bundle": {
        "type": frozenset(
            {
                "document",
                "message",
                "transaction",
                "transaction-response",
                "batch",
                "batch-response",
                "history",
                "searchset",
                "collection",
            }
        ),
        "entry.search.mode": frozenset({"match", "include", "outcome"}),
    },
    "OperationOutcome": {
        "issue.severity": frozenset({"fatal", "error", "warning", "information"}),
        "issue.code": _ISSUE_CODES,
    },
    "CapabilityStatement": {
        "status": frozenset({"draft", "active", "retired", "unknown"}),
        "kind": frozenset({"instance", "capability", "requirements"}),
        "fhirVersion": frozenset({"4.0.1"}),
        "rest.mode": frozenset({"client", "server"}),
        "rest.resource.interaction.code": frozenset(
            {"read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"}
        ),
        "rest.resource.versioning": frozenset({"no-version", "versioned", "versioned-update"}),
        "rest.resource.searchParam.type": frozenset(
            {"number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"}
        ),
    },
}

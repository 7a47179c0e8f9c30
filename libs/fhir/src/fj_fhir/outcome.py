"""What went wrong, as FHIR says it: OperationOutcome (R4 section 2.28)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fj_fhir.terms import Json, compact


class IssueCode(StrEnum):
    """The codes of issue-type that are used here."""

    INVALID = "invalid"
    STRUCTURE = "structure"
    REQUIRED = "required"
    VALUE = "value"
    CODE_INVALID = "code-invalid"
    BUSINESS_RULE = "business-rule"
    NOT_SUPPORTED = "not-supported"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    TRANSIENT = "transient"
    EXCEPTION = "exception"
    INFORMATIONAL = "informational"
    TOO_LONG = "too-long"


class Severity(StrEnum):
    """How bad an issue is."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that did not fit, and where (a FHIRPath such as `ServiceRequest.code.coding[0].code`)."""

    code: IssueCode
    diagnostics: str
    expression: str | None = None
    severity: Severity = Severity.ERROR


class FhirError(Exception):
    """A request that is answered with an HTTP status and an OperationOutcome."""

    def __init__(self, status: int, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(issue.diagnostics for issue in issues))
        self.status = status
        self.issues = tuple(issues)


class InvalidResource(FhirError):
    """The resource breaks the rules of R4: 400."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(400, issues)


class NotProcessable(FhirError):
    """The resource is good FHIR and cannot be done here: 422."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(422, issues)


class BadSearch(FhirError):
    """A search parameter or its value does not fit: 400."""

    def __init__(self, parameter: str, diagnostics: str, code: IssueCode = IssueCode.VALUE) -> None:
        super().__init__(400, [Issue(code, f"search parameter {parameter}: {diagnostics}")])
        self.parameter = parameter


class NoSuchResource(FhirError):
    """No resource of that type has that id: 404."""

    def __init__(self, resource_type: str, resource_id: str) -> None:
        super().__init__(404, [Issue(IssueCode.NOT_FOUND, f"no {resource_type} has the id {resource_id!r}")])


def operation_outcome(issues: Iterable[Issue]) -> Json:
    """The OperationOutcome of these issues."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            compact(
                {
                    "severity": issue.severity.value,
                    "code": issue.code.value,
                    "diagnostics": issue.diagnostics,
                    "expression": [issue.expression] if issue.expression else None,
                }
            )
            for issue in issues
        ],
    }

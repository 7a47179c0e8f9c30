"""What this server can do: CapabilityStatement (R4 section 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fj_fhir.checking import check
from fj_fhir.search import COMMON, SearchSpec
from fj_fhir.terms import FHIR_VERSION, Json, instant


@dataclass(frozen=True, slots=True)
class Capability:
    """A resource type, by what it is searched, and the interactions that are offered (`read`, `create` …)."""

    spec: SearchSpec
    interactions: tuple[str, ...] = ("read", "search-type")
    operations: tuple[tuple[str, str], ...] = ()
    """Name and canonical address of what can be called besides, `ihe-pix`."""

    def to_json(self) -> Json:
        parameters = (*COMMON, *self.spec.parameters)
        operations = [{"name": name, "definition": definition} for name, definition in self.operations]
        return {
            **({"operation": operations} if operations else {}),
            "type": self.spec.resource_type,
            "interaction": [{"code": code} for code in self.interactions],
            "versioning": "versioned",
            "readHistory": False,
            "conditionalRead": "full-support",
            "searchParam": [
                {"name": one.name, "type": one.kind.value, "documentation": one.documentation} for one in parameters
            ],
        }


def capability_statement(
    *, base: str, software: str, version: str, since: datetime, capabilities: Sequence[Capability]
) -> Json:
    """The statement of one running server (kind instance) at `base`."""
    body = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(since),
        "kind": "instance",
        "software": {"name": software, "version": version},
        "implementation": {"description": f"{software} FHIR R4 API", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [{"mode": "server", "resource": [capability.to_json() for capability in capabilities]}],
    }
    return check("CapabilityStatement", body)

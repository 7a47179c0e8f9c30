"""FHIR R4: builders, search parameters, OperationOutcome."""

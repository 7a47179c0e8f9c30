"""Everything the EHR must be told, and the FHIR R4 API."""

"""Doors: the facts that arrive, the FHIR API, the operator's API, and the couriers that deliver."""

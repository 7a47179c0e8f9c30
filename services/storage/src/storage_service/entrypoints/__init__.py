"""The doors of storage: facts, the clock, DICOMweb, HTTP."""

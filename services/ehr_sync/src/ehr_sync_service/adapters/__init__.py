"""The database, and HL7 v2 on the wire."""

"""Patients: plain data, and how news about one changes it. No I/O."""

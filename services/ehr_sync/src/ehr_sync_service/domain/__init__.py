"""What is known of an exam, what the EHR must be told of it, and how a delivery goes: plain data, no I/O."""

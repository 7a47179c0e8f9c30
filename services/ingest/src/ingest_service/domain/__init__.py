"""What is received, when it is accepted, and how it is told. No I/O."""

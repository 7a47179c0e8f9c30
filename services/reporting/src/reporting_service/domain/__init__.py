"""Reports, their versions, and what they are about. No I/O."""

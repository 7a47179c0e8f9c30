"""Orders and their life: plain data and one transition table, no I/O."""

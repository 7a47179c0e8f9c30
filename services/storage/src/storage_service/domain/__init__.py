"""What storage knows and decides: plain data, no I/O."""

"""Plain data and tables: no I/O."""

"""Reading worklist, reports and their versions."""

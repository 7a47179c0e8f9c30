"""Which task sees which study, its findings, the priority they cause."""

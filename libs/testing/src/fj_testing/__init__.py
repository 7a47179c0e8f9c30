"""Real servers on free ports, waiting with deadlines, builders of synthetic patients and orders."""

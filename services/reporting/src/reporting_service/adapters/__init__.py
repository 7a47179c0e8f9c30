"""Where exams and reports are kept."""

"""The operator command: status, logs, dead letters, exams, topics."""
